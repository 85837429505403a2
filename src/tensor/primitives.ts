import { DiopterError } from '../errors/index.ts'
import { type DType, isFloat } from './dtype.ts'
import { broadcastShapes, formatShape, type Shape, sameShape, sizeOf } from './shape.ts'

/** What a node's attributes may be: plain data, so that a graph can be printed, hashed and compared. */
export type Attribute = number | string | boolean | readonly number[]
/** A primitive's attributes by name. */
export type Attributes = Readonly<Record<string, Attribute>>

/** Shape and dtype of a tensor. */
export interface TensorType {
  readonly shape: Shape
  readonly dtype: DType
}

/** One row of the closed list: how a primitive's result type follows from its inputs and attributes. */
export interface Primitive {
  readonly infer: (inputs: readonly TensorType[], attributes: Attributes, name: string) => TensorType
}

type Rule = Primitive['infer']

const fail = (name: string, message: string): never => {
  throw new DiopterError(`${name}: ${message}`)
}

const attributeList = (attributes: Attributes, key: string) => attributes[key] as readonly number[]
const attributeNumber = (attributes: Attributes, key: string) => attributes[key] as number

const sameAsInput: Rule = ([x]) => x!

const floatUnary: Rule = ([x], _, name) =>
  isFloat(x!.dtype) ? x! : fail(name, `needs a float tensor, got ${x!.dtype}; cast it first.`)

const numericUnary: Rule = ([x], _, name) =>
  x!.dtype !== 'bool' ? x! : fail(name, 'needs numbers, got bool; cast it first.')

function sameDtype(inputs: readonly TensorType[], name: string): DType {
  const dtype = inputs[0]!.dtype
  for (const input of inputs) {
    if (input.dtype !== dtype)
      fail(name, `the inputs have dtypes ${inputs.map((i) => i.dtype).join(' and ')}; cast one of them.`)
  }
  return dtype
}

const elementwise: Rule = (inputs, _, name) => {
  const dtype = sameDtype(inputs, name)
  if (dtype === 'bool') fail(name, 'needs numbers, got bool; cast it first.')
  return { shape: broadcastShapes(name, ...inputs.map((i) => i.shape)), dtype }
}

const comparison: Rule = (inputs, _, name) => {
  sameDtype(inputs, name)
  return { shape: broadcastShapes(name, ...inputs.map((i) => i.shape)), dtype: 'bool' }
}

const logical: Rule = (inputs, _, name) => {
  if (sameDtype(inputs, name) !== 'bool') fail(name, `needs bool tensors, got ${inputs[0]!.dtype}.`)
  return { shape: broadcastShapes(name, ...inputs.map((i) => i.shape)), dtype: 'bool' }
}

const reduction: Rule = ([x], attributes, name) => {
  if (x!.dtype === 'bool') fail(name, 'needs numbers, got bool; cast it first.')
  const axes = attributeList(attributes, 'axes')
  const shape = attributes.keepdims
    ? x!.shape.map((n, i) => (axes.includes(i) ? 1 : n))
    : x!.shape.filter((_, i) => !axes.includes(i))
  return { shape, dtype: x!.dtype }
}

const declared: Rule = (_, attributes) => ({
  shape: attributeList(attributes, 'shape'),
  dtype: attributes.dtype as DType,
})

function requireIndices(type: TensorType, name: string): void {
  if (type.dtype !== 'int64' && type.dtype !== 'int32') fail(name, `indices must be int64 or int32, got ${type.dtype}.`)
}

const replaceAxis = (shape: Shape, axis: number, ...sizes: number[]) => [
  ...shape.slice(0, axis),
  ...sizes,
  ...shape.slice(axis + 1),
]

/**
 * The closed list of primitives. A transform (gradient rule, lowering) is another table over the same names;
 * an op that is not here cannot be written. Shapes in the comments: x is the first input.
 */
const table = {
  // sources
  input: { infer: declared }, // attributes: name, shape, dtype; a weight, a token array, or a lifted constant
  constant: { infer: (_, a) => ({ shape: [], dtype: a.dtype as DType }) }, // a scalar that is part of the structure
  iota: { infer: (_, a) => ({ shape: [attributeNumber(a, 'size')], dtype: a.dtype as DType }) }, // 0, 1, .. size-1
  // elementwise, one input
  neg: { infer: numericUnary },
  abs: { infer: numericUnary },
  sign: { infer: numericUnary },
  floor: { infer: floatUnary },
  exp: { infer: floatUnary },
  log: { infer: floatUnary },
  sqrt: { infer: floatUnary },
  sin: { infer: floatUnary },
  cos: { infer: floatUnary },
  tanh: { infer: floatUnary },
  erf: { infer: floatUnary },
  sigmoid: { infer: floatUnary },
  relu: { infer: floatUnary },
  silu: { infer: floatUnary }, // x * sigmoid(x)
  gelu: { infer: floatUnary }, // attribute approximate: 'none' (erf) or 'tanh'
  not: { infer: logical },
  stop_gradient: { infer: sameAsInput },
  cast: { infer: ([x], a) => ({ shape: x!.shape, dtype: a.dtype as DType }) },
  // elementwise, broadcasting
  add: { infer: elementwise },
  sub: { infer: elementwise },
  mul: { infer: elementwise },
  div: { infer: elementwise },
  pow: { infer: elementwise },
  maximum: { infer: elementwise },
  minimum: { infer: elementwise },
  equal: { infer: comparison },
  less: { infer: comparison },
  and: { infer: logical },
  or: { infer: logical },
  where: {
    infer: ([condition, a, b], _, name) => {
      if (condition!.dtype !== 'bool') fail(name, `the condition must be bool, got ${condition!.dtype}.`)
      const dtype = sameDtype([a!, b!], name)
      return { shape: broadcastShapes(name, condition!.shape, a!.shape, b!.shape), dtype }
    },
  },
  // shape
  reshape: {
    infer: ([x], a, name) => {
      const shape = attributeList(a, 'shape')
      if (sizeOf(shape) !== sizeOf(x!.shape) || shape.some((n) => n < 0)) {
        fail(
          name,
          `${formatShape(x!.shape)} has ${sizeOf(x!.shape)} elements and ${formatShape(shape)} has ${sizeOf(shape)}.`,
        )
      }
      return { shape, dtype: x!.dtype }
    },
  },
  transpose: {
    infer: ([x], a, name) => {
      const permutation = attributeList(a, 'permutation')
      const sorted = [...permutation].sort((p, q) => p - q)
      if (sorted.length !== x!.shape.length || sorted.some((p, i) => p !== i)) {
        fail(name, `[${permutation}] is not a permutation of the ${x!.shape.length} axes of ${formatShape(x!.shape)}.`)
      }
      return { shape: permutation.map((p) => x!.shape[p]!), dtype: x!.dtype }
    },
  },
  broadcast: {
    infer: ([x], a, name) => {
      const shape = attributeList(a, 'shape')
      if (!sameShape(broadcastShapes(name, x!.shape, shape), shape))
        fail(name, `${formatShape(x!.shape)} cannot be broadcast to ${formatShape(shape)}.`)
      return { shape, dtype: x!.dtype }
    },
  },
  slice: {
    // per axis: starts (inclusive), ends (exclusive), steps (>= 1), all already in range
    infer: ([x], a, name) => {
      const [starts, ends, steps] = [attributeList(a, 'starts'), attributeList(a, 'ends'), attributeList(a, 'steps')]
      const shape = x!.shape.map((n, i) => {
        const [start, end, step] = [starts[i]!, ends[i]!, steps[i]!]
        if (start < 0 || end > n || start > end || step < 1)
          fail(name, `${start}:${end}:${step} is out of range for axis ${i} of ${formatShape(x!.shape)}.`)
        return Math.ceil((end - start) / step)
      })
      return { shape, dtype: x!.dtype }
    },
  },
  pad: {
    // attributes: low, high per axis, value
    infer: ([x], a, name) => {
      const [low, high] = [attributeList(a, 'low'), attributeList(a, 'high')]
      const rank = x!.shape.length
      if (low.length !== rank || high.length !== rank || [...low, ...high].some((n) => !(n >= 0)))
        fail(name, `[${low}] before and [${high}] after do not fit the ${rank} axes of ${formatShape(x!.shape)}.`)
      return { shape: x!.shape.map((n, i) => n + low[i]! + high[i]!), dtype: x!.dtype }
    },
  },
  concat: {
    infer: (inputs, a, name) => {
      const axis = attributeNumber(a, 'axis')
      const first = inputs[0]!
      for (const { shape } of inputs) {
        if (
          shape.length !== first.shape.length ||
          !sameShape(replaceAxis(shape, axis, 0), replaceAxis(first.shape, axis, 0))
        ) {
          fail(name, `shapes ${inputs.map((i) => formatShape(i.shape)).join(', ')} differ outside axis ${axis}.`)
        }
      }
      const size = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0)
      return { shape: replaceAxis(first.shape, axis, size), dtype: sameDtype(inputs, name) }
    },
  },
  rotate: {
    // (x, cos, sin) -> x1 cos - x2 sin beside x2 cos + x1 sin, for the halves x1 and x2 of x's last axis; the two tables
    // broadcast to a half
    infer: ([x, cos, sin], _, name) => {
      const half = [...x!.shape.slice(0, -1), x!.shape[x!.shape.length - 1]! / 2]
      const fits = (table: TensorType) =>
        table.shape.length > 0 &&
        table.shape[table.shape.length - 1] === half[half.length - 1] &&
        sameShape(broadcastShapes(name, table.shape, half), half)
      if (!fits(cos!) || !sameShape(cos!.shape, sin!.shape))
        fail(
          name,
          `tables ${formatShape(cos!.shape)} and ${formatShape(sin!.shape)} do not fit a half ${formatShape(half)}.`,
        )
      const dtype = sameDtype([x!, cos!, sin!], name)
      return isFloat(dtype) ? { shape: x!.shape, dtype } : fail(name, `needs float tensors, got ${dtype}.`)
    },
  },
  // reductions and scans
  reduce_sum: { infer: reduction },
  reduce_max: { infer: reduction },
  reduce_min: { infer: reduction },
  argmax: { infer: ([x], a) => ({ shape: x!.shape.filter((_, i) => i !== a.axis), dtype: 'int64' }) },
  cumsum: { infer: numericUnary }, // attributes axis, reverse, exclusive
  softmax: { infer: floatUnary }, // attribute axis
  log_sum_exp: {
    // (x, shift) -> log(sum(exp(x - shift))) along the attribute axis, which stays as 1; shift has the result's shape
    infer: ([x, shift], a, name) => {
      const shape = replaceAxis(x!.shape, attributeNumber(a, 'axis'), 1)
      if (!sameShape(shift!.shape, shape))
        fail(name, `the shift is ${formatShape(shift!.shape)}, and must be ${formatShape(shape)}.`)
      const dtype = sameDtype([x!, shift!], name)
      return isFloat(dtype) ? { shape, dtype } : fail(name, `needs float tensors, got ${dtype}; cast them first.`)
    },
  },
  top_k_indices: {
    // attributes axis, k, largest; sorted by value
    infer: ([x], a, name) => {
      const [axis, k] = [attributeNumber(a, 'axis'), attributeNumber(a, 'k')]
      if (k > x!.shape[axis]!) fail(name, `asked for the top ${k} of an axis of size ${x!.shape[axis]}.`)
      return { shape: replaceAxis(x!.shape, axis, k), dtype: 'int64' }
    },
  },
  // indexing
  gather: {
    // x[..., n, ...] and indices of any shape: the axis is replaced by the indices' shape
    infer: ([x, indices], a, name) => {
      requireIndices(indices!, name)
      return { shape: replaceAxis(x!.shape, attributeNumber(a, 'axis'), ...indices!.shape), dtype: x!.dtype }
    },
  },
  scatter_add: {
    // the transpose of gather: (indices, updates) -> zeros with `size` on the axis plus the updates; duplicates add up
    infer: ([indices, updates], a, name) => {
      requireIndices(indices!, name)
      const axis = attributeNumber(a, 'axis')
      const rank = indices!.shape.length
      const window = updates!.shape.slice(axis, axis + rank)
      if (!sameShape(window, indices!.shape))
        fail(
          name,
          `updates ${formatShape(updates!.shape)} do not hold the indices' shape ${formatShape(indices!.shape)} at axis ${axis}.`,
        )
      return {
        shape: [...updates!.shape.slice(0, axis), attributeNumber(a, 'size'), ...updates!.shape.slice(axis + rank)],
        dtype: updates!.dtype,
      }
    },
  },
  gather_elements: {
    // out[i][j] = x[indices[i][j]][j] along the axis; indices have the rank of x
    infer: ([x, indices], a, name) => {
      requireIndices(indices!, name)
      const axis = attributeNumber(a, 'axis')
      const fits =
        indices!.shape.length === x!.shape.length && indices!.shape.every((n, i) => i === axis || n === x!.shape[i])
      if (!fits)
        fail(name, `indices ${formatShape(indices!.shape)} must equal ${formatShape(x!.shape)} outside axis ${axis}.`)
      return { shape: indices!.shape, dtype: x!.dtype }
    },
  },
  scatter_elements_add: {
    // the transpose of gather_elements: (indices, updates) -> zeros with `size` on the axis plus the updates
    infer: ([indices, updates], a, name) => {
      requireIndices(indices!, name)
      if (!sameShape(indices!.shape, updates!.shape))
        fail(name, `indices ${formatShape(indices!.shape)} and updates ${formatShape(updates!.shape)} differ.`)
      return {
        shape: replaceAxis(updates!.shape, attributeNumber(a, 'axis'), attributeNumber(a, 'size')),
        dtype: updates!.dtype,
      }
    },
  },
  // contraction: [..., m, k] x [..., k, n] -> [..., m, n], leading axes broadcast
  matmul: {
    infer: ([a, b], _, name) => {
      const dtype = sameDtype([a!, b!], name)
      const [ra, rb] = [a!.shape.length, b!.shape.length]
      if (ra < 2 || rb < 2)
        fail(name, `needs tensors of at least two axes, got ${formatShape(a!.shape)} and ${formatShape(b!.shape)}.`)
      const [k, k2] = [a!.shape[ra - 1]!, b!.shape[rb - 2]!]
      if (k !== k2) fail(name, `inner sizes differ: ${formatShape(a!.shape)} times ${formatShape(b!.shape)}.`)
      const batch = broadcastShapes(name, a!.shape.slice(0, -2), b!.shape.slice(0, -2))
      return { shape: [...batch, a!.shape[ra - 2]!, b!.shape[rb - 1]!], dtype }
    },
  },
} satisfies Record<string, Primitive>

/** The name of a primitive. */
export type PrimitiveName = keyof typeof table

/** The primitives by name; see the comments of the table for inputs and attributes. */
export const primitives: Readonly<Record<PrimitiveName, Primitive>> = table
