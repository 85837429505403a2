import {
  type DType,
  isFloat,
  type PrimitiveName,
  type Shape,
  sizeOf,
  type Tensor,
  typedArrayFrom,
} from '../tensor/index.ts'
import type { GraphBuilder } from './builder.ts'

/** Emits one node of the trace, given its inputs' names, and returns the name of its result. */
export type Lowering = (builder: GraphBuilder, inputs: readonly string[], t: Tensor) => string

const same =
  (opType: string): Lowering =>
  (builder, inputs) =>
    builder.node(opType, inputs)

const numbers = (t: Tensor, key: string) => t.attributes[key] as readonly number[]
const number = (t: Tensor, key: string) => t.attributes[key] as number

const reduction =
  (opType: string): Lowering =>
  (builder, [x], t) =>
    builder.node(opType, [x!, builder.int64s(numbers(t, 'axes'))], { keepdims: t.attributes.keepdims ? 1 : 0 })

const scalar = (builder: GraphBuilder, dtype: DType, value: number) =>
  builder.initializer(dtype, [], typedArrayFrom(dtype, [value]))

const zeros = (builder: GraphBuilder, dtype: DType, shape: Shape) =>
  builder.node('Expand', [scalar(builder, dtype, 0), builder.int64s(shape)])

/** 0, 1, .. size-1. */
const counting = (builder: GraphBuilder, dtype: DType, size: number) =>
  builder.initializer(
    dtype,
    [size],
    typedArrayFrom(
      dtype,
      Array.from({ length: size }, (_, i) => i),
    ),
  )

/** `allowzero`, because a 0 would otherwise mean "as in the input". */
const reshape = (builder: GraphBuilder, x: string, shape: Shape) =>
  builder.node('Reshape', [x, builder.int64s(shape)], { allowzero: 1 })

/**
 * Below this size of the scattered axis, adding rows is a product with a one-hot matrix: faster than ScatterElements
 * for small vocabularies.
 */
const ONE_HOT_LIMIT = 512

/**
 * Never `ScatterND(add)`: with duplicate indices its threads race and the sum is silently wrong. ScatterElements(add) is
 * correct, and so is a product with a one-hot matrix.
 */
const scatterAdd: Lowering = (builder, [indices, updates], t) => {
  const [indexTensor, updateTensor] = t.inputs as [Tensor, Tensor]
  const [axis, size, n] = [number(t, 'axis'), number(t, 'size'), indexTensor.size]
  const before = sizeOf(updateTensor.shape.slice(0, axis))
  const after = sizeOf(updateTensor.shape.slice(axis + indexTensor.rank))
  const flat = reshape(builder, updates!, [before, n, after]) // [before, ...indices, after] -> [before, n, after]
  let result: string
  if (size <= ONE_HOT_LIMIT && isFloat(t.dtype)) {
    const range = counting(builder, indexTensor.dtype, size)
    // Looked up in 0, 1, .. size-1, a negative index counts from the end and one out of range is an error, as in ScatterElements.
    const positions = reshape(builder, builder.node('Gather', [range, indices!]), [1, n])
    const matches = builder.node('Equal', [reshape(builder, range, [size, 1]), positions])
    const oneHot = builder.node('Cast', [matches], { to: builder.elementType(t.dtype) })
    result = builder.node('MatMul', [oneHot, flat]) // [size, n] x [before, n, after]
  } else {
    const everywhere = builder.node('Expand', [
      reshape(builder, indices!, [1, n, 1]),
      builder.int64s([before, n, after]),
    ])
    result = builder.node('ScatterElements', [zeros(builder, t.dtype, [before, size, after]), everywhere, flat], {
      axis: 1,
      reduction: 'add',
    })
  }
  return reshape(builder, result, t.shape)
}

/** One lowering per primitive; `input` has none because the emitter makes it a port or an initializer. */
export const lowerings: Readonly<Record<Exclude<PrimitiveName, 'input'>, Lowering>> = {
  constant: (builder, _, t) => scalar(builder, t.dtype, number(t, 'value')),
  iota: (builder, _, t) => counting(builder, t.dtype, t.size),
  neg: same('Neg'),
  abs: same('Abs'),
  sign: same('Sign'),
  floor: same('Floor'),
  exp: same('Exp'),
  log: same('Log'),
  sqrt: same('Sqrt'),
  sin: same('Sin'),
  cos: same('Cos'),
  tanh: same('Tanh'),
  erf: same('Erf'),
  sigmoid: same('Sigmoid'),
  relu: same('Relu'),
  gelu: (builder, inputs, t) => builder.node('Gelu', inputs, { approximate: t.attributes.approximate as string }),
  not: same('Not'),
  stop_gradient: (_, [x]) => x!,
  cast: (builder, inputs, t) => builder.node('Cast', inputs, { to: builder.elementType(t.dtype) }),
  add: same('Add'),
  sub: same('Sub'),
  mul: same('Mul'),
  div: same('Div'),
  pow: same('Pow'),
  maximum: same('Max'),
  minimum: same('Min'),
  equal: same('Equal'),
  less: same('Less'),
  and: same('And'),
  or: same('Or'),
  where: same('Where'),
  reshape: (builder, [x], t) => reshape(builder, x!, t.shape),
  transpose: (builder, inputs, t) => builder.node('Transpose', inputs, { perm: numbers(t, 'permutation') }),
  broadcast: (builder, [x], t) => builder.node('Expand', [x!, builder.int64s(t.shape)]),
  slice(builder, [x], t) {
    const [starts, ends, steps] = [numbers(t, 'starts'), numbers(t, 'ends'), numbers(t, 'steps')]
    const full = t.inputs[0]!.shape
    const axes = full.flatMap((n, i) => (starts[i] === 0 && ends[i] === n && steps[i] === 1 ? [] : [i]))
    const pick = (list: readonly number[]) => builder.int64s(axes.map((axis) => list[axis]!))
    return builder.node('Slice', [x!, pick(starts), pick(ends), builder.int64s(axes), pick(steps)])
  },
  pad: (builder, [x], t) =>
    builder.node('Pad', [
      x!,
      builder.int64s([...numbers(t, 'low'), ...numbers(t, 'high')]),
      scalar(builder, t.dtype, number(t, 'value')),
    ]),
  concat: (builder, inputs, t) => builder.node('Concat', inputs, { axis: number(t, 'axis') }),
  reduce_sum: reduction('ReduceSum'),
  reduce_max: reduction('ReduceMax'),
  reduce_min: reduction('ReduceMin'),
  argmax: (builder, inputs, t) => builder.node('ArgMax', inputs, { axis: number(t, 'axis'), keepdims: 0 }),
  cumsum: (builder, [x], t) =>
    builder.node('CumSum', [x!, scalar(builder, 'int64', number(t, 'axis'))], {
      exclusive: t.attributes.exclusive ? 1 : 0,
      reverse: t.attributes.reverse ? 1 : 0,
    }),
  softmax: (builder, inputs, t) => builder.node('Softmax', inputs, { axis: number(t, 'axis') }),
  top_k_indices: (builder, [x], t) =>
    builder.nodeOutputs(
      'TopK',
      [x!, builder.int64s([number(t, 'k')])],
      { axis: number(t, 'axis'), largest: t.attributes.largest ? 1 : 0, sorted: 1 },
      2,
    )[1]!,
  gather: (builder, inputs, t) => builder.node('Gather', inputs, { axis: number(t, 'axis') }),
  scatter_add: scatterAdd,
  gather_elements: (builder, inputs, t) => builder.node('GatherElements', inputs, { axis: number(t, 'axis') }),
  scatter_elements_add(builder, [indices, updates], t) {
    return builder.node('ScatterElements', [zeros(builder, t.dtype, t.shape), indices!, updates!], {
      axis: number(t, 'axis'),
      reduction: 'add',
    })
  },
  matmul: same('MatMul'),
}
