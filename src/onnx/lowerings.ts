import type { PrimitiveName, Tensor } from '../tensor/index.ts'
import type { GraphBuilder } from './builder.ts'
import { counting, reshape, scalar } from './pieces.ts'
import { rotate } from './rotate.ts'
import { scatterAdd, scatterElementsAdd } from './scatter.ts'

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
  // ONNX Runtime fuses the product with the sigmoid to an operator that it has for float32 alone.
  silu(builder, [x], t) {
    if (t.dtype === 'float32') return builder.node('Mul', [x!, builder.node('Sigmoid', [x!])])
    const exponential = builder.node('Exp', [builder.node('Neg', [x!])])
    return builder.node('Div', [x!, builder.node('Add', [exponential, scalar(builder, t.dtype, 1)])])
  },
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
  rotate,
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
  // With the largest x as m and its softmax as p: log(sum(exp(x - shift))) = m - shift - log(p). The softmax is one pass,
  // and the gradient shares it.
  log_sum_exp(builder, [x, shift], t) {
    const axis = number(t, 'axis')
    const largest = (of: string) => builder.node('ReduceMax', [of, builder.int64s([axis])], { keepdims: 1 })
    const above = builder.node('Sub', [largest(x!), shift!])
    return builder.node('Sub', [above, builder.node('Log', [largest(builder.node('Softmax', [x!], { axis }))])])
  },
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
  scatter_elements_add: scatterElementsAdd,
  matmul: same('MatMul'),
}
