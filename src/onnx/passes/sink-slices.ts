import { apply, full, type PrimitiveName, sizeOf, Tensor, topologicalOrder } from '../../tensor/index.ts'
import { type Box, boxShape, broadcastBox, fullBox, hull, reshapeBox, sameBox, withRanges } from './box.ts'

/** How a box of a node's result follows from boxes of its inputs. */
interface Requirement {
  /** The box that is computed: holds the box that was asked for. */
  readonly box: Box
  /** What is needed of each input; undefined when nothing is. */
  readonly inputs: readonly (Box | undefined)[]
  /** Traces the box from those parts of the inputs. */
  readonly build: (inputs: readonly (Tensor | undefined)[]) => Tensor
}

/**
 * Slice sinking: computes of every node only the part that its users need, so that a metric on the last position
 * prunes the last block to one row. Works backwards: the demand on a node is the hull of what its users need; then the
 * graph is rebuilt forwards on those boxes. Outputs are always whole. Run it before differentiating, too: a gradient of
 * the sunk graph never leaves the parts that matter.
 */
export function sinkSlices(outputs: readonly Tensor[]): Tensor[] {
  const order = topologicalOrder(outputs)
  const demands = new Map<Tensor, Box>(outputs.map((t) => [t, fullBox(t.shape)]))
  const requirements = new Map<Tensor, Requirement>()
  for (const t of order.toReversed()) {
    const demand = demands.get(t)
    if (!demand) continue // only an unneeded piece of a concatenation
    const requirement = require(t, demand)
    requirements.set(t, requirement)
    t.inputs.forEach((input, i) => {
      const box = requirement.inputs[i]
      const known = demands.get(input)
      if (box) demands.set(input, known ? hull(known, box) : box)
    })
  }
  const rebuilt = new Map<Tensor, { tensor: Tensor; box: Box }>()
  for (const t of order) {
    const requirement = requirements.get(t)
    if (!requirement) continue
    const inputs = t.inputs.map((input, i) => {
      const box = requirement.inputs[i]
      return box && part(rebuilt.get(input)!, box)
    })
    const untouched = sameBox(requirement.box, fullBox(t.shape)) && inputs.every((input, i) => input === t.inputs[i])
    const built = untouched ? t : requirement.build(inputs)
    rebuilt.set(t, { tensor: t.pinned ? built.pin() : built, box: requirement.box })
  }
  return outputs.map((t) => part(rebuilt.get(t)!, fullBox(t.shape)))
}

/** The part of a rebuilt node that lies in `box`. */
function part({ tensor, box: known }: { tensor: Tensor; box: Box }, box: Box): Tensor {
  const starts = box.low.map((l, axis) => l - known.low[axis]!)
  const ends = box.high.map((h, axis) => h - known.low[axis]!)
  return apply('slice', [tensor], { starts, ends, steps: starts.map(() => 1) })
}

function require(t: Tensor, demand: Box): Requirement {
  const isEmpty = sizeOf(boxShape(demand)) === 0
  return (isEmpty && t.inputs.length > 0 ? nothing : (rules[t.op] ?? whole))(t, demand)
}

type Rule = (t: Tensor, demand: Box) => Requirement

/** Everything is computed: sources, and primitives without a rule. */
const whole: Rule = (t) => ({
  box: fullBox(t.shape),
  inputs: t.inputs.map((input) => fullBox(input.shape)),
  build: (inputs) => (t.inputs.length === 0 ? t : new Tensor(t.op, inputs as Tensor[], t.attributes, t.value)),
})

/** A part without elements needs no inputs. */
const nothing: Rule = (t, box) => ({
  box,
  inputs: t.inputs.map(() => undefined),
  build: () => full(boxShape(box), 0, t.dtype),
})

const elementwise: Rule = (t, box) => ({
  box,
  inputs: t.inputs.map((input) => broadcastBox(box, input.shape)),
  build: (inputs) => apply(t.op, inputs as Tensor[], t.attributes),
})

/** Along `axis` all is needed and all is computed; other axes pass through. */
const alongAxis: Rule = (t, demand) => {
  const axis = t.attributes.axis as number
  const box = withRanges(demand, new Map([[axis, [0, t.shape[axis]!]]]))
  const inputs = t.inputs.map((input) => withRanges(demand, new Map([[axis, [0, input.shape[axis]!]]])))
  return { box, inputs, build: (parts) => apply(t.op, parts as Tensor[], t.attributes) }
}

const reduction: Rule = (t, box) => {
  const [x] = t.inputs as [Tensor]
  const axes = t.attributes.axes as readonly number[]
  const kept = t.attributes.keepdims ? null : x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]))
  const outputAxis = (axis: number) => (kept ? kept.indexOf(axis) : axis)
  const input = {
    low: x.shape.map((_, axis) => (axes.includes(axis) ? 0 : box.low[outputAxis(axis)]!)),
    high: x.shape.map((n, axis) => (axes.includes(axis) ? n : box.high[outputAxis(axis)]!)),
  }
  return { box, inputs: [input], build: ([part]) => apply(t.op, [part!], t.attributes) }
}

/** Axes before and after `axis` pass to the data operand; on the axis itself all of it is needed. */
function around(box: Box, axis: number, width: number, size: number): Box {
  return {
    low: [...box.low.slice(0, axis), 0, ...box.low.slice(axis + width)],
    high: [...box.high.slice(0, axis), size, ...box.high.slice(axis + width)],
  }
}

const rules: Partial<Record<PrimitiveName, Rule>> = {
  reduce_sum: reduction,
  reduce_max: reduction,
  reduce_min: reduction,
  softmax: alongAxis,
  log_sum_exp: (t, box) => ({
    box,
    inputs: [
      withRanges(box, new Map([[t.attributes.axis as number, [0, t.inputs[0]!.shape[t.attributes.axis as number]!]]])),
      box,
    ],
    build: (inputs) => apply('log_sum_exp', inputs as Tensor[], t.attributes),
  }),
  cumsum: alongAxis,
  top_k_indices: alongAxis,
  argmax(t, box) {
    const axis = t.attributes.axis as number
    return {
      box,
      inputs: [around(box, axis, 0, t.inputs[0]!.shape[axis]!)],
      build: ([x]) => apply('argmax', [x!], t.attributes),
    }
  },
  reshape(t, demand) {
    const { input, output } = reshapeBox(demand, t.inputs[0]!.shape, t.shape)
    return { box: output, inputs: [input], build: ([x]) => x!.reshape(...boxShape(output)) }
  },
  transpose(t, box) {
    const permutation = t.attributes.permutation as readonly number[]
    const back = (list: readonly number[]) => permutation.map((_, axis) => list[permutation.indexOf(axis)]!)
    return {
      box,
      inputs: [{ low: back(box.low), high: back(box.high) }],
      build: ([x]) => apply('transpose', [x!], t.attributes),
    }
  },
  broadcast: (t, box) => ({
    box,
    inputs: [broadcastBox(box, t.inputs[0]!.shape)],
    build: ([x]) => x!.broadcast(...boxShape(box)),
  }),
  slice(t, box) {
    const starts = t.attributes.starts as readonly number[]
    const steps = t.attributes.steps as readonly number[]
    const input = {
      low: box.low.map((l, axis) => starts[axis]! + l * steps[axis]!),
      high: box.high.map((h, axis) => starts[axis]! + (h - 1) * steps[axis]! + 1),
    }
    const zero = starts.map(() => 0)
    return {
      box,
      inputs: [input],
      build: ([x]) => apply('slice', [x!], { starts: zero, ends: boxShape(input), steps }),
    }
  },
  pad(t, box) {
    const [x] = t.inputs as [Tensor]
    const before = t.attributes.low as readonly number[]
    const low = box.low.map((l, axis) => Math.max(0, l - before[axis]!))
    const high = box.high.map((h, axis) => Math.min(x.shape[axis]!, h - before[axis]!))
    if (low.some((l, axis) => l >= high[axis]!)) return whole(t, box)
    const attributes = {
      low: low.map((l, axis) => l + before[axis]! - box.low[axis]!),
      high: high.map((h, axis) => box.high[axis]! - (h + before[axis]!)),
      value: t.attributes.value!,
    }
    return { box, inputs: [{ low, high }], build: ([part]) => apply('pad', [part!], attributes) }
  },
  rotate(t, demand) {
    const last = t.rank - 1
    const box = withRanges(demand, new Map([[last, [0, t.shape[last]!]]]))
    const half = withRanges(box, new Map([[last, [0, t.shape[last]! / 2]]]))
    const [, cos, sin] = t.inputs as [Tensor, Tensor, Tensor]
    return {
      box,
      inputs: [box, broadcastBox(half, cos.shape), broadcastBox(half, sin.shape)],
      build: (inputs) => apply('rotate', inputs as Tensor[]),
    }
  },
  concat(t, box) {
    const axis = t.attributes.axis as number
    let offset = 0
    const inputs = t.inputs.map((input) => {
      const size = input.shape[axis]!
      const range = [Math.max(0, box.low[axis]! - offset), Math.min(size, box.high[axis]! - offset)] as const
      offset += size
      return range[0] < range[1] ? withRanges(box, new Map([[axis, range]])) : undefined
    })
    const build: Requirement['build'] = (parts) =>
      apply(
        'concat',
        parts.filter((part) => part !== undefined),
        { axis },
      )
    return { box, inputs, build }
  },
  gather(t, box) {
    const [x, indices] = t.inputs as [Tensor, Tensor]
    const axis = t.attributes.axis as number
    const chosen = { low: box.low.slice(axis, axis + indices.rank), high: box.high.slice(axis, axis + indices.rank) }
    return {
      box,
      inputs: [around(box, axis, indices.rank, x.shape[axis]!), chosen],
      build: ([a, b]) => apply('gather', [a!, b!], t.attributes),
    }
  },
  gather_elements(t, box) {
    const axis = t.attributes.axis as number
    const data = withRanges(box, new Map([[axis, [0, t.inputs[0]!.shape[axis]!]]]))
    return { box, inputs: [data, box], build: ([x, indices]) => apply('gather_elements', [x!, indices!], t.attributes) }
  },
  scatter_add(t, demand) {
    const [indices] = t.inputs as [Tensor, Tensor]
    const axis = t.attributes.axis as number
    const box = withRanges(demand, new Map([[axis, [0, t.shape[axis]!]]]))
    const updates = {
      low: [...box.low.slice(0, axis), ...indices.shape.map(() => 0), ...box.low.slice(axis + 1)],
      high: [...box.high.slice(0, axis), ...indices.shape, ...box.high.slice(axis + 1)],
    }
    return {
      box,
      inputs: [fullBox(indices.shape), updates],
      build: ([i, u]) => apply('scatter_add', [i!, u!], t.attributes),
    }
  },
  scatter_elements_add: alongAxis,
  matmul(t, box) {
    const [a, b] = t.inputs as [Tensor, Tensor]
    const rank = t.rank
    const operand = (x: Tensor, kept: number): Box => {
      const batch = broadcastBox({ low: box.low.slice(0, -2), high: box.high.slice(0, -2) }, x.shape.slice(0, -2))
      const range = (axis: number): [number, number] =>
        axis === kept ? [box.low[rank - 2 + kept]!, box.high[rank - 2 + kept]!] : [0, x.shape[x.rank - 2 + axis]!]
      const [rows, columns] = [range(0), range(1)]
      return { low: [...batch.low, rows[0], columns[0]], high: [...batch.high, rows[1], columns[1]] }
    }
    return { box, inputs: [operand(a, 0), operand(b, 1)], build: ([x, y]) => apply('matmul', [x!, y!]) }
  },
}

const ELEMENTWISE: readonly PrimitiveName[] = [
  ...([
    'neg',
    'abs',
    'sign',
    'floor',
    'exp',
    'log',
    'sqrt',
    'sin',
    'cos',
    'tanh',
    'erf',
    'sigmoid',
    'relu',
    'silu',
    'gelu',
    'not',
    'stop_gradient',
    'cast',
  ] as const),
  ...(['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum', 'equal', 'less', 'and', 'or', 'where'] as const),
]
for (const op of ELEMENTWISE) rules[op] = elementwise
