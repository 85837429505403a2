import {
  type DType,
  fromHalfBits,
  isFloat,
  type PrimitiveName,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
  type Tensor,
} from '../../src/tensor/index.ts'
import { erf } from './erf.ts'

/** A tensor's elements as doubles, in row-major order. */
interface Values {
  readonly data: Float64Array
  readonly shape: Shape
  readonly dtype: DType
}

type Kernel = (inputs: readonly Values[], node: Tensor) => Float64Array

/**
 * The values of `outputs`, computed node by node in double precision whatever the dtypes (integers and bools as numbers;
 * float32 and float16 are not rounded). `feeds` gives the named inputs, by tensor or by name; any other tensor in it is
 * taken as given instead of being computed. Throws for an input without values.
 */
export function evaluate(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor | string, ArrayLike<number>> = new Map(),
): Float64Array[] {
  const known = new Map<Tensor, Values>()
  const compute = (node: Tensor): Values => {
    const before = known.get(node)
    if (before !== undefined) return before
    const data = given(node, feeds) ?? kernels[node.op](node.inputs.map(compute), node)
    if (data.length !== node.size) throw new Error(`evaluate: ${data.length} values for ${node}.`)
    const values = { data, shape: node.shape, dtype: node.dtype }
    known.set(node, values)
    return values
  }
  return outputs.map((output) => compute(output).data)
}

function given(node: Tensor, feeds: ReadonlyMap<Tensor | string, ArrayLike<number>>): Float64Array | undefined {
  const name = node.op === 'input' ? (node.attributes.name as string) : ''
  const fed = feeds.get(node) ?? (name === '' ? undefined : feeds.get(name))
  if (fed !== undefined) return Float64Array.from(fed)
  if (node.value === undefined) return undefined
  const decode = node.dtype === 'float16' ? fromHalfBits : Number
  return Float64Array.from(node.value, (element: number | bigint) => decode(Number(element)))
}

// elements and their indices

/** The multi-index of each element of `shape`, in row-major order; the array is reused from call to call. */
function forEachIndex(shape: Shape, visit: (index: readonly number[], flat: number) => void): void {
  const size = sizeOf(shape)
  const index = shape.map(() => 0)
  for (let flat = 0; flat < size; flat++) {
    visit(index, flat)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
}

/** Each element of the result copied from `x` at the index that `source` names; undefined stands for `otherwise`. */
function pick(
  x: Values,
  shape: Shape,
  source: (index: readonly number[]) => readonly number[] | undefined,
  otherwise = Number.NaN,
): Float64Array {
  const strides = stridesOf(x.shape)
  const result = new Float64Array(sizeOf(shape))
  forEachIndex(shape, (index, flat) => {
    const from = source(index)
    result[flat] = from === undefined ? otherwise : x.data[offsetOf(from, strides)]!
  })
  return result
}

const offsetOf = (index: readonly number[], strides: readonly number[]) =>
  index.reduce((offset, i, axis) => offset + i * strides[axis]!, 0)

function broadcastTo(x: Values, shape: Shape): Float64Array {
  if (sameShape(x.shape, shape)) return x.data
  const added = shape.length - x.shape.length
  return pick(x, shape, (index) => x.shape.map((n, axis) => (n === 1 ? 0 : index[added + axis]!)))
}

/** A negative index counts from the end. */
function wrap(index: number, size: number): number {
  const wrapped = index < 0 ? index + size : index
  if (!(wrapped >= 0 && wrapped < size)) throw new Error(`evaluate: index ${index} is outside an axis of size ${size}.`)
  return wrapped
}

// forms of kernels

const map =
  (f: (value: number) => number): Kernel =>
  ([x]) =>
    x!.data.map(f)

const zip =
  (f: (a: number, b: number, dtype: DType) => number): Kernel =>
  (inputs, node) => {
    const [a, b] = inputs.map((x) => broadcastTo(x, node.shape))
    const { dtype } = inputs[0]!
    return a!.map((value, i) => f(value, b![i]!, dtype))
  }

const reduce =
  (start: number, f: (total: number, value: number) => number): Kernel =>
  ([x], node) => {
    const axes = node.attributes.axes as readonly number[]
    const kept = x!.shape.map((n, axis) => (axes.includes(axis) ? 1 : n))
    const strides = stridesOf(kept)
    const result = new Float64Array(sizeOf(kept)).fill(start)
    forEachIndex(x!.shape, (index, flat) => {
      const to = offsetOf(
        index.map((i, axis) => (axes.includes(axis) ? 0 : i)),
        strides,
      )
      result[to] = f(result[to]!, x!.data[flat]!)
    })
    return result
  }

/** Every line of x along the attribute `axis`, changed by `f`, which may change its length. */
const alongAxis =
  (f: (line: number[], node: Tensor) => readonly number[]): Kernel =>
  ([x], node) => {
    const axis = node.attributes.axis as number
    const size = x!.shape[axis]!
    const inner = sizeOf(x!.shape.slice(axis + 1))
    const outer = sizeOf(x!.shape.slice(0, axis))
    const result = new Float64Array(node.size)
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        const line = Array.from({ length: size }, (_, k) => x!.data[(o * size + k) * inner + i]!)
        const changed = f(line, node)
        changed.forEach((value, k) => {
          result[(o * changed.length + k) * inner + i] = value
        })
      }
    return result
  }

/** Zeros of the node's shape, plus each update at the index that `target` names. */
function scatter(updates: Values, node: Tensor, target: (index: readonly number[]) => readonly number[]): Float64Array {
  const strides = stridesOf(node.shape)
  const result = new Float64Array(node.size)
  forEachIndex(updates.shape, (index, flat) => {
    const to = offsetOf(target(index), strides)
    result[to] = result[to]! + updates.data[flat]!
  })
  return result
}

const elementAt = (x: Values, index: readonly number[]) => x.data[offsetOf(index, stridesOf(x.shape))]!

/** An index into gather's result as an index into its source: the indices' axes are replaced by what they point to. */
const throughIndices = (indices: Values, axis: number, size: number) => (index: readonly number[]) => [
  ...index.slice(0, axis),
  wrap(elementAt(indices, index.slice(axis, axis + indices.shape.length)), size),
  ...index.slice(axis + indices.shape.length),
]

/** An index into gather_elements' result as an index into its source. */
const throughElement = (indices: Values, axis: number, size: number) => (index: readonly number[]) =>
  index.with(axis, wrap(elementAt(indices, index), size))

const gelu = (x: number, approximate: unknown) =>
  approximate === 'tanh'
    ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : 0.5 * x * (1 + erf(x / Math.SQRT2))

/** Positions of a line sorted by value, equal values in their order. */
function ranking(line: readonly number[], largest: boolean): number[] {
  return line.map((_, i) => i).sort((i, j) => (largest ? line[j]! - line[i]! : line[i]! - line[j]!) || i - j)
}

const attribute = (node: Tensor, key: string) => node.attributes[key] as number
const listOf = (node: Tensor, key: string) => node.attributes[key] as readonly number[]

const kernels: Readonly<Record<PrimitiveName, Kernel>> = {
  input: (_, node) => {
    throw new Error(`evaluate: the input '${node.attributes.name}' has no values.`)
  },
  constant: (_, node) => Float64Array.of(attribute(node, 'value')),
  iota: (_, node) => Float64Array.from({ length: node.size }, (_, i) => i),
  neg: map((x) => -x),
  abs: map(Math.abs),
  sign: map(Math.sign),
  floor: map(Math.floor),
  exp: map(Math.exp),
  log: map(Math.log),
  sqrt: map(Math.sqrt),
  sin: map(Math.sin),
  cos: map(Math.cos),
  tanh: map(Math.tanh),
  erf: map(erf),
  sigmoid: map((x) => 1 / (1 + Math.exp(-x))),
  relu: map((x) => Math.max(x, 0)),
  silu: map((x) => x / (1 + Math.exp(-x))),
  gelu: ([x], node) => x!.data.map((value) => gelu(value, node.attributes.approximate)),
  not: map((x) => 1 - x),
  stop_gradient: map((x) => x),
  cast: ([x], node) => {
    if (node.dtype === 'bool') return x!.data.map((value) => (value === 0 ? 0 : 1))
    return isFloat(node.dtype) ? x!.data : x!.data.map(Math.trunc)
  },
  add: zip((a, b) => a + b),
  sub: zip((a, b) => a - b),
  mul: zip((a, b) => a * b),
  div: zip((a, b, dtype) => (isFloat(dtype) ? a / b : Math.trunc(a / b))),
  pow: zip((a, b) => a ** b),
  maximum: zip((a, b) => Math.max(a, b)),
  minimum: zip((a, b) => Math.min(a, b)),
  equal: zip((a, b) => Number(a === b)),
  less: zip((a, b) => Number(a < b)),
  and: zip((a, b) => a * b),
  or: zip((a, b) => Math.max(a, b)),
  where: (inputs, node) => {
    const [condition, a, b] = inputs.map((x) => broadcastTo(x, node.shape))
    return a!.map((value, i) => (condition![i] ? value : b![i]!))
  },
  reshape: ([x]) => x!.data,
  transpose: ([x], node) => {
    const permutation = listOf(node, 'permutation')
    return pick(x!, node.shape, (index) => x!.shape.map((_, axis) => index[permutation.indexOf(axis)]!))
  },
  broadcast: ([x], node) => broadcastTo(x!, node.shape),
  slice: ([x], node) => {
    const [starts, steps] = [listOf(node, 'starts'), listOf(node, 'steps')]
    return pick(x!, node.shape, (index) => index.map((i, axis) => starts[axis]! + i * steps[axis]!))
  },
  pad: ([x], node) => {
    const low = listOf(node, 'low')
    const inside = (index: readonly number[]) => {
      const from = index.map((i, axis) => i - low[axis]!)
      return from.every((i, axis) => i >= 0 && i < x!.shape[axis]!) ? from : undefined
    }
    return pick(x!, node.shape, inside, attribute(node, 'value'))
  },
  rotate: ([x, cos, sin], node) => {
    const size = node.shape[node.rank - 1]!
    const half = size / 2
    const [c, s] = [cos!, sin!].map((table) => broadcastTo(table, [...node.shape.slice(0, -1), half]))
    return x!.data.map((value, i) => {
      const [row, feature] = [Math.floor(i / size), i % size]
      const place = row * half + (feature % half)
      const partner = x!.data[feature < half ? i + half : i - half]!
      return value * c![place]! + (feature < half ? -partner : partner) * s![place]!
    })
  },
  concat: (inputs, node) => {
    const axis = attribute(node, 'axis')
    const result = new Float64Array(node.size)
    const strides = stridesOf(node.shape)
    let start = 0
    for (const x of inputs) {
      forEachIndex(x.shape, (index, flat) => {
        result[offsetOf(index, strides) + start * strides[axis]!] = x.data[flat]!
      })
      start += x.shape[axis]!
    }
    return result
  },
  reduce_sum: reduce(0, (total, value) => total + value),
  reduce_max: reduce(Number.NEGATIVE_INFINITY, Math.max),
  reduce_min: reduce(Number.POSITIVE_INFINITY, Math.min),
  argmax: alongAxis((line) => [ranking(line, true)[0]!]),
  cumsum: alongAxis((line, { attributes: { reverse, exclusive } }) => {
    const ordered = reverse ? line.toReversed() : line
    let total = 0
    const sums = ordered.map((value) => {
      const before = total
      total += value
      return exclusive ? before : total
    })
    return reverse ? sums.toReversed() : sums
  }),
  softmax: alongAxis((line) => {
    const peak = Math.max(...line)
    const exponentials = line.map((value) => Math.exp(value - peak))
    const total = exponentials.reduce((sum, value) => sum + value, 0)
    return exponentials.map((value) => value / total)
  }),
  log_sum_exp: ([x, shift], node) => {
    const total = alongAxis((line) => {
      const peak = Math.max(...line)
      return [peak + Math.log(line.reduce((sum, value) => sum + Math.exp(value - peak), 0))]
    })([x!], node)
    return total.map((value, i) => value - shift!.data[i]!)
  },
  top_k_indices: alongAxis((line, node) =>
    ranking(line, Boolean(node.attributes.largest)).slice(0, attribute(node, 'k')),
  ),
  gather: ([x, indices], node) => {
    const axis = attribute(node, 'axis')
    return pick(x!, node.shape, throughIndices(indices!, axis, x!.shape[axis]!))
  },
  scatter_add: ([indices, updates], node) =>
    scatter(updates!, node, throughIndices(indices!, attribute(node, 'axis'), attribute(node, 'size'))),
  gather_elements: ([x, indices], node) => {
    const axis = attribute(node, 'axis')
    return pick(x!, node.shape, throughElement(indices!, axis, x!.shape[axis]!))
  },
  scatter_elements_add: ([indices, updates], node) =>
    scatter(updates!, node, throughElement(indices!, attribute(node, 'axis'), attribute(node, 'size'))),
  matmul: ([a, b], node) => {
    const batch = node.shape.slice(0, -2)
    const [m, k] = a!.shape.slice(-2) as [number, number]
    const n = b!.shape.at(-1)!
    const left = broadcastTo(a!, [...batch, m, k])
    const right = broadcastTo(b!, [...batch, k, n])
    const result = new Float64Array(node.size)
    for (let s = 0; s < sizeOf(batch); s++)
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let total = 0
          for (let p = 0; p < k; p++) total += left[(s * m + i) * k + p]! * right[(s * k + p) * n + j]!
          result[(s * m + i) * n + j] = total
        }
    return result
  },
}
