import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { randomSource } from '../../test/support/random.ts'
import { largestDifference, randomTensor, runGraph } from '../../test/support/run-graph.ts'
import { apply, concat, constant, type DType, iota, type PrimitiveName, type Tensor, tensor } from '../tensor/index.ts'

type Make = (dtype: DType) => Tensor[]

const FLOATS: readonly DType[] = ['float32', 'float64']
const NUMBERS: readonly DType[] = ['float32', 'float64', 'int32', 'int64']
const SINGLE: readonly DType[] = ['float32']

const random = randomSource(1)
const draw = (shape: readonly number[], dtype: DType, low?: number, high?: number) =>
  randomTensor(random, shape, dtype, low, high)
const unary =
  (name: PrimitiveName, low?: number, high?: number): Make =>
  (dtype) => [apply(name, [draw([3, 5], dtype, low, high)]), apply(name, [draw([], dtype, low, high)])]
const binary =
  (name: PrimitiveName, low?: number, high?: number): Make =>
  (dtype) => [
    apply(name, [draw([2, 3, 4], dtype, low, high), draw([3, 1], dtype, low, high)]),
    apply(name, [draw([4], dtype, low, high), draw([2, 1, 4], dtype, low, high)]),
  ]
const reduction =
  (method: 'sum' | 'max' | 'min'): Make =>
  (dtype) => {
    const x = draw([2, 3, 4], dtype)
    return [x[method](), x[method](-1), x[method]([0, 2], true), x[method](1)]
  }
const indices = (shape: readonly number[], size: number, dtype: DType = 'int64') => draw(shape, dtype, -size, size)

/** Every primitive with the dtypes that ONNX Runtime's CPU provider has kernels for. */
const cases: Record<Exclude<PrimitiveName, 'input'>, readonly [readonly DType[], Make]> = {
  constant: [['float32', 'float64', 'int32', 'int64', 'bool'], (dtype) => [constant(1, dtype)]],
  iota: [NUMBERS, (dtype) => [iota(5, dtype), iota(0, dtype)]],
  neg: [NUMBERS, unary('neg')],
  abs: [NUMBERS, unary('abs')],
  sign: [NUMBERS, unary('sign')],
  floor: [FLOATS, unary('floor')],
  exp: [FLOATS, unary('exp')],
  log: [FLOATS, unary('log', 0.1, 9)],
  sqrt: [FLOATS, unary('sqrt', 0, 9)],
  sin: [FLOATS, unary('sin')],
  cos: [SINGLE, unary('cos')],
  tanh: [FLOATS, unary('tanh')],
  erf: [SINGLE, unary('erf')],
  sigmoid: [FLOATS, unary('sigmoid')],
  relu: [FLOATS, unary('relu')],
  silu: [FLOATS, unary('silu')],
  gelu: [
    SINGLE,
    (dtype) => {
      const x = draw([3, 5], dtype, -5, 5)
      return [x.gelu('none'), x.gelu('tanh')]
    },
  ],
  not: [['bool'], (dtype) => [draw([7], dtype).not()]],
  stop_gradient: [NUMBERS, (dtype) => [draw([7], dtype).stopGradient(), draw([7], dtype).neg().stopGradient()]],
  cast: [
    [...NUMBERS, 'bool'],
    (dtype) => {
      const x = draw([3, 5], dtype)
      return (['float32', 'float64', 'int32', 'int64', 'bool'] as const).map((to) => x.cast(to))
    },
  ],
  add: [NUMBERS, binary('add')],
  sub: [NUMBERS, binary('sub')],
  mul: [NUMBERS, binary('mul')],
  div: [NUMBERS, binary('div', 1, 5)],
  pow: [NUMBERS, binary('pow', 1, 4)],
  maximum: [NUMBERS, binary('maximum')],
  minimum: [NUMBERS, binary('minimum')],
  equal: [[...NUMBERS, 'bool'], binary('equal')],
  less: [NUMBERS, binary('less')],
  and: [['bool'], binary('and')],
  or: [['bool'], binary('or')],
  where: [
    NUMBERS,
    (dtype) => [
      draw([3, 1], 'bool').where(draw([4], dtype), draw([2, 3, 4], dtype)),
      draw([4], 'bool').where(draw([], dtype), draw([4], dtype)),
    ],
  ],
  reshape: [
    [...NUMBERS, 'bool'],
    (dtype) => [
      draw([2, 3, 4], dtype).reshape(4, 6),
      draw([1], dtype).reshape(),
      draw([2, 0, 3], dtype).reshape(3, 0), // a 0 is a size here, not "as before"
    ],
  ],
  transpose: [[...NUMBERS, 'bool'], (dtype) => [draw([2, 3, 4], dtype).transpose(2, 0, 1)]],
  broadcast: [[...NUMBERS, 'bool'], (dtype) => [draw([3, 1], dtype).broadcast(2, 3, 4), draw([], dtype).broadcast(2)]],
  slice: [
    [...NUMBERS, 'bool'],
    (dtype) => [
      draw([6, 4], dtype).slice(0, 1, 6, 2),
      draw([6, 4], dtype).slice(1, -1),
      draw([6, 4], dtype).slice(0, 3, 3),
    ],
  ],
  pad: [NUMBERS, (dtype) => [draw([2, 3], dtype).pad([1, 0], [0, 2], 7)]],
  concat: [
    [...NUMBERS, 'bool'],
    (dtype) => [
      concat([draw([2, 3], dtype), draw([2, 1], dtype), draw([2, 2], dtype)], 1),
      concat([draw([2], dtype), draw([1], dtype)]),
    ],
  ],
  reduce_sum: [NUMBERS, reduction('sum')],
  reduce_max: [NUMBERS, reduction('max')],
  reduce_min: [NUMBERS, reduction('min')],
  argmax: [['float32', 'float64', 'int32'], (dtype) => [draw([4, 5], dtype).argmax(), draw([4, 5], dtype).argmax(0)]],
  cumsum: [
    NUMBERS,
    (dtype) =>
      [true, false].flatMap((reverse) =>
        [true, false].map((exclusive) => draw([3, 4, 2], dtype).cumsum(1, { reverse, exclusive })),
      ),
  ],
  log_sum_exp: [
    FLOATS,
    (dtype) => [draw([3, 4], dtype).logSumExpAbove(draw([3, 1], dtype)), draw([3, 4, 2], dtype).logSumExp(1)],
  ],
  rotate: [
    FLOATS,
    (dtype) => {
      const turned = (shape: number[], tables: number[]) =>
        draw(shape, dtype).rotate(draw(tables, dtype), draw(tables, dtype))
      return [
        turned([2, 5, 3, 16], [5, 1, 8]), // positions and heads
        turned([5, 3, 16], [5, 1, 8]), // packed tokens
        turned([3, 16], [3, 8]),
        turned([2, 3, 4, 16], [2, 3, 1, 8]), // positions of padded rows
        turned([2, 5, 3, 16], [2, 1, 3, 8]), // not by position
        turned([1, 3, 6], [3]), // one angle for all
        turned([2, 3, 6], [1, 1, 3]),
        turned([10], [5]),
      ]
    },
  ],
  softmax: [FLOATS, (dtype) => [draw([3, 4], dtype).softmax(), draw([3, 4, 2], dtype).softmax(1)]],
  top_k_indices: [
    NUMBERS,
    (dtype) => {
      const x = draw([4, 6], dtype) // the integers have ties: the lower index comes first
      return [x.topK(3).indices, x.topK(2, 0, false).indices, x.sort(1, true).indices]
    },
  ],
  gather: [
    [...NUMBERS, 'bool'],
    (dtype) => [
      draw([5, 3], dtype).gather(indices([2, 4], 5)),
      draw([2, 5, 3], dtype).gather(indices([4], 5, 'int32'), 1),
      draw([5, 3], dtype).gather(indices([], 3), 1),
    ],
  ],
  scatter_add: [
    NUMBERS,
    (dtype) => [
      indices([6, 2], 5).scatterAdd(draw([6, 2, 3], dtype), 5),
      indices([6], 5, 'int32').scatterAdd(draw([2, 6, 3], dtype), 5, 1),
      indices([6], 700).scatterAdd(draw([2, 6], dtype), 700, 1), // beyond the one-hot limit
      indices([], 5).scatterAdd(draw([2, 3], dtype), 5, 1),
    ],
  ],
  gather_elements: [
    NUMBERS,
    (dtype) => [
      draw([3, 5], dtype).gatherElements(indices([3, 2], 5)),
      draw([5, 3], dtype).gatherElements(indices([4, 3], 5), 0),
    ],
  ],
  scatter_elements_add: [
    NUMBERS,
    (dtype) => [
      apply('scatter_elements_add', [indices([3, 8], 5), draw([3, 8], dtype)], { axis: 1, size: 5 }),
      apply('scatter_elements_add', [indices([8, 3], 5, 'int32'), draw([8, 3], dtype)], { axis: 0, size: 5 }),
    ],
  ],
  matmul: [
    NUMBERS,
    (dtype) => [
      draw([3, 4], dtype).matmul(draw([4, 5], dtype)),
      draw([2, 1, 3, 4], dtype).matmul(draw([6, 4, 2], dtype)),
      draw([2, 3, 4], dtype).matmul(draw([4, 2], dtype)),
    ],
  ],
}

describe('every primitive computes what the double-precision reference computes', () => {
  for (const [name, [dtypes, make]] of Object.entries(cases)) {
    it.each([...dtypes])(`${name} of %s`, async (dtype) => {
      const outputs = make(dtype)
      const expected = evaluate(outputs)
      const actual = await runGraph(outputs)
      outputs.forEach((output, i) => {
        const dtypes = [dtype, output.dtype]
        const tolerance = dtypes.includes('float32') ? 3e-6 : dtypes.includes('float64') ? 1e-13 : 0
        expect(largestDifference(actual[i]!, expected[i]!), `${output}`).toBeLessThanOrEqual(tolerance)
      })
    })
  }
})

describe('scattering onto heavily duplicated indices on two threads', () => {
  // 512 is the largest size that takes the one-hot product; the others take ScatterElements.
  it.each([2, 512, 513, 5000])('every duplicate counts, axis of size %i', async (size) => {
    const [n, d] = [6000, 24]
    const picked = BigInt64Array.from({ length: n }, () => BigInt(Math.floor(random() * Math.min(size, 7))))
    const updates = Float32Array.from({ length: n * d }, () => random() - 0.5)
    const expected = new Float64Array(size * d)
    picked.forEach((row, i) => {
      for (let j = 0; j < d; j++) expected[Number(row) * d + j]! += updates[i * d + j]!
    })
    const rows = tensor(picked).scatterAdd(tensor(updates, [n, d]), size)
    // the same rows by element: indices [n, d] along axis 0
    const everywhere = tensor(picked, [n, 1]).broadcast(n, d)
    const elements = apply('scatter_elements_add', [everywhere, tensor(updates, [n, d])], { axis: 0, size })
    const first = await runGraph([rows, elements])
    for (const result of first) expect(largestDifference(result, expected)).toBeLessThan(1e-4)
    for (let repeat = 0; repeat < 20; repeat++) {
      const again = await runGraph([rows, elements])
      for (const result of again) expect(largestDifference(result, expected)).toBeLessThan(1e-4)
    }
  })

  it('an index out of range is an error on both paths, not a lost update', async () => {
    for (const size of [5, 700]) {
      const outside = tensor([0, size], [2], 'int64').scatterAdd(tensor([1, 1]), size)
      await expect(runGraph([outside])).rejects.toThrow(/bounds|range/)
    }
  })
})
