import type { Attributes, PrimitiveName } from './primitives.ts'
import { broadcastShapes, sameShape } from './shape.ts'
import { apply, type Tensor } from './tensor.ts'

/**
 * Trivial forms that collapse while tracing, so that views of weights and reshapes cost nothing:
 * returns the simpler tensor, or undefined when the primitive must really be traced.
 */
export function simplify(op: PrimitiveName, inputs: readonly Tensor[], attributes: Attributes): Tensor | undefined {
  return rules[op]?.(inputs, attributes, op)
}

type Simplification = (inputs: readonly Tensor[], attributes: Attributes, op: PrimitiveName) => Tensor | undefined

/** A pinned tensor is used as it is. */
const isOp = (x: Tensor, op: PrimitiveName) => x.op === op && !x.pinned
const isIdentity = (permutation: readonly number[], rank: number) =>
  permutation.length === rank && permutation.every((p, i) => p === i)
const isConstant = (x: Tensor, value: number, like: Tensor) =>
  isOp(x, 'constant') && x.attributes.value === value && x.dtype === like.dtype

/** An elementwise op broadcasts by itself: a `broadcast` before it goes when another input keeps the result's shape. */
const absorbBroadcast: Simplification = (inputs, attributes, op) => {
  const shape = broadcastShapes(op, ...inputs.map((x) => x.shape))
  for (const [i, x] of inputs.entries()) {
    if (!isOp(x, 'broadcast')) continue
    const absorbed = inputs.with(i, x.inputs[0]!)
    if (sameShape(broadcastShapes(op, ...absorbed.map((y) => y.shape)), shape)) return apply(op, absorbed, attributes)
  }
  return undefined
}

/** A broadcast tensor times a structural number: the smaller tensor is multiplied. */
const scaleBeforeBroadcast = (x: Tensor, factor: Tensor): Tensor | undefined =>
  isOp(x, 'broadcast') && factor.op === 'constant' && x.dtype === factor.dtype
    ? apply('broadcast', [apply('mul', [x.inputs[0]!, factor])], { shape: x.shape })
    : undefined

const rules: Partial<Record<PrimitiveName, Simplification>> = {
  reshape([x], { shape }) {
    if (sameShape(x!.shape, shape as readonly number[])) return x
    return isOp(x!, 'reshape') ? apply('reshape', x!.inputs, { shape: shape! }) : undefined
  },
  transpose([x], attributes) {
    const permutation = attributes.permutation as readonly number[]
    if (isIdentity(permutation, x!.rank)) return x
    if (!isOp(x!, 'transpose')) return undefined
    const inner = x!.attributes.permutation as readonly number[]
    return apply('transpose', x!.inputs, { permutation: permutation.map((p) => inner[p]!) })
  },
  broadcast([x], { shape }) {
    if (sameShape(x!.shape, shape as readonly number[])) return x
    const grows = sameShape(
      broadcastShapes('broadcast', x!.shape, shape as readonly number[]),
      shape as readonly number[],
    )
    return isOp(x!, 'broadcast') && grows ? apply('broadcast', x!.inputs, { shape: shape! }) : undefined
  },
  cast: ([x], { dtype }) => (x!.dtype === dtype ? x : undefined),
  slice([x], attributes) {
    const starts = attributes.starts as readonly number[]
    const ends = attributes.ends as readonly number[]
    const steps = attributes.steps as readonly number[]
    const whole = x!.shape.every((n, i) => starts[i] === 0 && ends[i] === n && steps[i] === 1)
    return whole ? x : undefined
  },
  pad([x], { low, high }) {
    const none = [...(low as readonly number[]), ...(high as readonly number[])].every((n) => n === 0)
    return none ? x : undefined
  },
  concat([x, ...others], { axis }) {
    if (others.length === 0) return x
    const parts = [x!, ...others].filter((part) => part.shape[axis as number] !== 0)
    return parts.length > 0 && parts.length <= others.length ? apply('concat', parts, { axis: axis! }) : undefined
  },
  neg: ([x]) => (isOp(x!, 'neg') ? x!.inputs[0] : undefined),
  // a sum of negated elements negates the (smaller) sum
  reduce_sum: ([x], attributes) =>
    isOp(x!, 'neg') ? apply('neg', [apply('reduce_sum', x!.inputs, attributes)]) : undefined,
  stop_gradient: ([x]) => (x!.op === 'stop_gradient' || x!.op === 'constant' ? x : undefined),
  add(inputs, attributes, op) {
    const [a, b] = inputs as [Tensor, Tensor]
    if (isConstant(b, 0, a)) return a
    if (isConstant(a, 0, b)) return b
    if (isOp(b, 'neg')) return apply('sub', [a, b.inputs[0]!])
    if (isOp(a, 'neg')) return apply('sub', [b, a.inputs[0]!])
    return absorbBroadcast(inputs, attributes, op)
  },
  sub(inputs, attributes, op) {
    const [a, b] = inputs as [Tensor, Tensor]
    if (isConstant(b, 0, a)) return a
    if (isOp(b, 'neg')) return apply('add', [a, b.inputs[0]!])
    return absorbBroadcast(inputs, attributes, op)
  },
  mul(inputs, attributes, op) {
    const [a, b] = inputs as [Tensor, Tensor]
    if (isConstant(b, 1, a)) return a
    if (isConstant(a, 1, b)) return b
    return scaleBeforeBroadcast(a, b) ?? scaleBeforeBroadcast(b, a) ?? absorbBroadcast(inputs, attributes, op)
  },
  div(inputs, attributes, op) {
    const [a, b] = inputs as [Tensor, Tensor]
    return isConstant(b, 1, a) ? a : absorbBroadcast(inputs, attributes, op)
  },
  pow(inputs, attributes, op) {
    const [a, b] = inputs as [Tensor, Tensor]
    return isConstant(b, 1, a) ? a : absorbBroadcast(inputs, attributes, op)
  },
  maximum: absorbBroadcast,
  minimum: absorbBroadcast,
  equal: absorbBroadcast,
  less: absorbBroadcast,
  and: absorbBroadcast,
  or: absorbBroadcast,
  where: absorbBroadcast,
}
