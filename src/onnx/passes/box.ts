import type { Shape } from '../../tensor/index.ts'

/** A rectangular part of a tensor: per axis the half-open range low..high. */
export interface Box {
  readonly low: readonly number[]
  readonly high: readonly number[]
}

export function fullBox(shape: Shape): Box {
  return { low: shape.map(() => 0), high: shape }
}

export function boxShape({ low, high }: Box): number[] {
  return low.map((l, axis) => high[axis]! - l)
}

/** The smallest box that holds both. */
export function hull(a: Box, b: Box): Box {
  return {
    low: a.low.map((l, axis) => Math.min(l, b.low[axis]!)),
    high: a.high.map((h, axis) => Math.max(h, b.high[axis]!)),
  }
}

export function sameBox(a: Box, b: Box): boolean {
  return a.low.every((l, axis) => l === b.low[axis]) && a.high.every((h, axis) => h === b.high[axis])
}

/** `box` with other ranges on some axes. */
export function withRanges(box: Box, ranges: ReadonlyMap<number, readonly [number, number]>): Box {
  return {
    low: box.low.map((l, axis) => ranges.get(axis)?.[0] ?? l),
    high: box.high.map((h, axis) => ranges.get(axis)?.[1] ?? h),
  }
}

/**
 * The part of a broadcast operand [shape] that a box of the result touches: axes align from the end, and an axis of
 * size 1 is needed whole.
 */
export function broadcastBox(box: Box, shape: Shape): Box {
  const offset = box.low.length - shape.length
  return {
    low: shape.map((n, axis) => (n === 1 ? 0 : box.low[offset + axis]!)),
    high: shape.map((n, axis) => (n === 1 ? 1 : box.high[offset + axis]!)),
  }
}

/**
 * The part of a reshape's input that a box of its output needs, and the (perhaps larger) box of the output that this
 * part fills. Both shapes are cut into groups of axes with equal products; within a group only a contiguous range that
 * starts and ends on whole leading slices of the input stays a part, anything else asks for the whole group.
 */
export function reshapeBox(box: Box, from: Shape, to: Shape): { input: Box; output: Box } {
  const input = { low: [] as number[], high: [] as number[] }
  const output = { low: [] as number[], high: [] as number[] }
  for (const [fromGroup, toGroup] of axisGroups(from, to)) {
    const target = { low: toGroup.map((axis) => box.low[axis]!), high: toGroup.map((axis) => box.high[axis]!) }
    const range = contiguousRange(
      target,
      toGroup.map((axis) => to[axis]!),
    )
    const source =
      range &&
      leadingSlices(
        range,
        fromGroup.map((axis) => from[axis]!),
      )
    const whole = source === undefined
    const sourceBox = source ?? fullBox(fromGroup.map((axis) => from[axis]!))
    const targetBox = whole ? fullBox(toGroup.map((axis) => to[axis]!)) : target
    input.low.push(...sourceBox.low)
    input.high.push(...sourceBox.high)
    output.low.push(...targetBox.low)
    output.high.push(...targetBox.high)
  }
  return { input, output }
}

/** Pairs of axis lists, in order, whose sizes have equal products. */
function* axisGroups(from: Shape, to: Shape): Generator<[number[], number[]]> {
  let i = 0
  let j = 0
  while (i < from.length || j < to.length) {
    const [fromGroup, toGroup]: [number[], number[]] = [[], []]
    let [p, q] = [1, 1]
    if (i < from.length) {
      p = from[i]!
      fromGroup.push(i++)
    }
    if (j < to.length) {
      q = to[j]!
      toGroup.push(j++)
    }
    while (p !== q) {
      if (p < q) {
        p *= from[i]!
        fromGroup.push(i++)
      } else {
        q *= to[j]!
        toGroup.push(j++)
      }
    }
    yield [fromGroup, toGroup]
  }
}

/** The flat range of a box that is contiguous in row-major order, or undefined. */
function contiguousRange(box: Box, shape: Shape): readonly [number, number] | undefined {
  let start = 0
  let length = 1
  let inside = false
  for (let axis = 0; axis < shape.length; axis++) {
    const [low, high, n] = [box.low[axis]!, box.high[axis]!, shape[axis]!]
    // Once more than one index was taken, all later axes must be whole.
    if (inside && (low !== 0 || high !== n)) return undefined
    if (high - low > 1) inside = true
    start = start * n + low
    length *= high - low
  }
  return [start, start + length]
}

/** The box of `shape` that holds exactly the flat range, when it is made of whole slices of some axis; else undefined. */
function leadingSlices([start, end]: readonly [number, number], shape: Shape): Box | undefined {
  const low: number[] = []
  const high: number[] = []
  let stride = shape.reduce((product, n) => product * n, 1)
  for (const n of shape) {
    stride /= n
    const [first, last] = [Math.floor(start / stride), Math.ceil(end / stride)]
    if (last - first === 1 && stride > 1) {
      // The range lies within one index of this axis: go on inside it.
      low.push(first)
      high.push(first + 1)
      start -= first * stride
      end -= first * stride
      continue
    }
    if (start % stride !== 0 || end % stride !== 0) return undefined
    low.push(first)
    high.push(last)
    for (const rest of shape.slice(low.length)) {
      low.push(0)
      high.push(rest)
    }
    return { low, high }
  }
  return { low, high }
}
