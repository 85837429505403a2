import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import {
  apply,
  broadcastShapes,
  concat,
  constant,
  crossEntropy,
  type DType,
  full,
  input,
  iota,
  layerNorm,
  rmsNorm,
  stack,
  type Tensor,
  tensor,
  where,
} from './index.ts'

const x = (...shape: number[]) => input('x', shape)
const typed = (dtype: DType, ...shape: number[]) => input('x', shape, dtype)
const typeOf = (t: Tensor) => `${t.dtype}[${t.shape}]`
const row = (...values: number[]) => tensor(values, [values.length], 'float64')

describe('result types', () => {
  const cases: [string, () => Tensor, string][] = [
    ['elementwise keeps the type', () => x(2, 3).exp(), 'float32[2,3]'],
    ['broadcasting', () => x(2, 1, 3).add(x(4, 1)), 'float32[2,4,3]'],
    ['broadcasting a scalar', () => x().mul(typed('float32', 2)), 'float32[2]'],
    ['broadcasting an empty axis', () => x(0, 3).add(x(1, 3)), 'float32[0,3]'],
    ['comparison', () => typed('float16', 2).less(typed('float16', 3, 1)), 'bool[3,2]'],
    ['where', () => typed('bool', 2, 1).where(x(3), 0), 'float32[2,3]'],
    ['cast', () => x(2).cast('int64'), 'int64[2]'],
    ['reshape with -1', () => x(2, 6).reshape(3, -1), 'float32[3,4]'],
    ['transpose of the last two', () => x(2, 3, 4).transpose(), 'float32[2,4,3]'],
    ['transpose', () => x(2, 3, 4).transpose(2, 0, 1), 'float32[4,2,3]'],
    ['broadcast', () => x(3, 1).broadcast(2, 3, 4), 'float32[2,3,4]'],
    ['unsqueeze at the end', () => x(2, 3).unsqueeze(-1), 'float32[2,3,1]'],
    ['squeeze', () => x(2, 1, 3).squeeze(1), 'float32[2,3]'],
    ['slice', () => x(2, 7).slice(-1, 1, -1, 2), 'float32[2,3]'],
    ['slice of nothing', () => x(4).slice(0, 3, 1), 'float32[0]'],
    ['pad', () => x(2, 3).pad([1, 0], [2, 4]), 'float32[5,7]'],
    ['sum', () => x(2, 3, 4).sum([0, -1]), 'float32[3]'],
    ['sum of all', () => x(2, 3).sum(), 'float32[]'],
    ['mean, axes kept', () => x(2, 3).mean(-1, true), 'float32[2,1]'],
    ['argmax', () => x(2, 3).argmax(0), 'int64[3]'],
    ['top k', () => x(2, 5).topK(3).indices, 'int64[2,3]'],
    ['gather', () => x(2, 5, 3).gather(typed('int32', 4, 6), 1), 'float32[2,4,6,3]'],
    ['scatterAdd', () => typed('int64', 4, 6).scatterAdd(x(2, 4, 6, 3), 9, 1), 'float32[2,9,3]'],
    ['scatterAdd counts its axis from the end', () => typed('int64', 4).scatterAdd(x(2, 4), 9, -1), 'float32[2,9]'],
    ['gatherElements', () => x(2, 5).gatherElements(typed('int64', 2, 3)), 'float32[2,3]'],
    ['matmul', () => x(5, 1, 2, 3).matmul(x(4, 3, 6)), 'float32[5,4,2,6]'],
    ['concat', () => concat([x(2, 3), x(2, 1)], -1), 'float32[2,4]'],
    ['stack', () => stack([x(2, 3), x(2, 3)], -1), 'float32[2,3,2]'],
    ['iota', () => iota(4), 'int64[4]'],
    ['full', () => full([2, 2], 1, 'float16'), 'float16[2,2]'],
    ['tensor of a typed array', () => tensor(new BigInt64Array(3)), 'int64[3]'],
    ['a number takes the dtype of its tensor', () => typed('int64', 2).add(1), 'int64[2]'],
  ]
  it.each(cases)('%s', (_, trace, type) => expect(typeOf(trace())).toBe(type))
})

describe('what cannot be traced says why', () => {
  const cases: [string, () => unknown, string | RegExp][] = [
    ['shapes', () => x(2, 3).add(x(4)), 'add: shapes [2, 3] and [4] cannot be broadcast together'],
    ['dtypes', () => x(2).add(typed('int64', 2)), 'add: the inputs have dtypes float32 and int64; cast one'],
    ['a constant of another dtype', () => x(2).add(constant(0, 'float64')), 'dtypes float32 and float64'],
    ['bool arithmetic', () => typed('bool', 2).mul(typed('bool', 2)), 'mul: needs numbers, got bool'],
    ['integer functions', () => typed('int64', 2).exp(), 'exp: needs a float tensor, got int64'],
    ['fractions of integers', () => typed('int32', 2).mul(0.5), '0.5 is not an int32'],
    ['logic of numbers', () => x(2).and(x(2)), 'and: needs bool tensors, got float32'],
    ['where', () => x(2).where(x(2), 0), 'where: the condition must be bool, got float32'],
    ['where of numbers', () => where(typed('bool', 2), 1, 0), 'one of the two values must be a tensor'],
    ['reshape', () => x(2, 3).reshape(4), 'reshape: [2, 3] has 6 elements and [4] has 4'],
    ['reshape with -1', () => x(2, 3).reshape(4, -1), 'reshape: [2, 3] does not fit [4, -1]'],
    ['negative sizes', () => x(2, 3).reshape(-2, -3), /reshape:/],
    ['transpose', () => x(2, 3).transpose(0), 'transpose: [0] is not a permutation of the 2 axes of [2, 3]'],
    ['transpose of one axis', () => x(3).transpose(), /is not a permutation of the 1 axes/],
    ['broadcast', () => x(2).broadcast(3), /broadcast/],
    ['broadcast that shrinks', () => x(1).broadcast(3).broadcast(1), 'cannot be broadcast to [1]'],
    ['unsqueeze', () => x(2).unsqueeze(3), 'unsqueeze: axis 3 does not exist'],
    ['squeeze', () => x(2, 3).squeeze(0), 'squeeze: axis 0 of [2, 3] is not of size 1'],
    ['axis', () => x(2, 3).sum(2), 'reduce_sum: axis 2 does not exist; the tensor has 2 axes (-2..1)'],
    ['an axis twice', () => x(2, 3).sum([1, -1]), 'name one axis twice'],
    ['mean of integers', () => typed('int64', 2).mean(), 'mean: needs a float tensor, got int64'],
    ['pad', () => x(2).pad([-1], [0]), 'pad: [-1] before and [0] after do not fit the 1 axes'],
    ['concat', () => concat([x(2, 3), x(3, 3)], 1), 'concat: shapes [2, 3], [3, 3] differ outside axis 1'],
    ['concat of other ranks', () => concat([x(2, 3), x(2)], 1), 'differ outside axis 1'],
    ['concat of nothing', () => concat([]), 'no tensors were given'],
    ['top k', () => x(3).topK(4), 'asked for the top 4 of an axis of size 3'],
    ['indices', () => x(3).gather(x(2)), 'gather: indices must be int64 or int32, got float32'],
    ['gatherElements', () => x(2, 3).gatherElements(typed('int64', 3, 1)), 'must equal [2, 3] outside axis 1'],
    ['scatterAdd', () => typed('int64', 2).scatterAdd(x(3, 2), 4), "do not hold the indices' shape [2] at axis 0"],
    [
      'scatter_elements_add',
      () => apply('scatter_elements_add', [typed('int64', 2), x(3)], { axis: 0, size: 4 }),
      'indices [2] and updates [3] differ',
    ],
    ['matmul', () => x(2, 3).matmul(x(4, 5)), 'matmul: inner sizes differ: [2, 3] times [4, 5]'],
    ['matmul of vectors', () => x(3).matmul(x(3, 2)), 'needs tensors of at least two axes'],
    ['values', () => tensor([1, 2, 3], [2]), '3 values do not fill the shape [2]'],
    ['a typed array of another dtype', () => tensor(new Float32Array(2), [2], 'int64'), 'int64 was asked for'],
  ]
  it.each(cases)('%s', (_, trace, message) => expect(trace).toThrow(message))
  it('names what was broadcast', () => {
    expect(() => broadcastShapes('edit', [2], [3])).toThrow(/^edit: shapes \[2\] and \[3\]/)
  })
})

describe('composites', () => {
  const values = (t: Tensor) => [...evaluate([t])[0]!]
  it('reductions, clamp, comparison', () => {
    const t = tensor([1, -2, 3, 4, 0, -6], [2, 3], 'float64')
    expect(values(t.mean(1))).toEqual([2 / 3, -2 / 3])
    expect(values(t.min(0))).toEqual([1, -2, -6])
    expect(values(t.clamp(-1, 2))).toEqual([1, -1, 2, 2, 0, -1])
    expect(values(t.greater(0))).toEqual([1, 0, 1, 1, 0, 0])
    expect(values(stack([row(1, 2), row(3, 4)], 1))).toEqual([1, 3, 2, 4])
  })
  it('softmax, logSoftmax and logSumExp agree, also far from zero', () => {
    for (const shift of [0, 1000, -1000]) {
      const t = row(1, 2, 3).add(shift)
      const probabilities = values(t.softmax())
      expect(probabilities[2]).toBeCloseTo(Math.exp(3) / (Math.exp(1) + Math.exp(2) + Math.exp(3)), 14)
      values(t.logSoftmax()).forEach((value, i) => {
        expect(value).toBeCloseTo(Math.log(probabilities[i]!), 12)
      })
      expect(values(t.logSumExp(0))[0]).toBeCloseTo(shift + 3.40760596444438, 11)
    }
  })
  it('sort and topK give values and indices', () => {
    const t = row(3, 1, 2, 3)
    expect(values(t.sort().values)).toEqual([1, 2, 3, 3])
    expect(values(t.sort().indices)).toEqual([1, 2, 0, 3])
    expect(values(t.topK(2).indices)).toEqual([0, 3])
    expect(values(t.topK(2, -1, false).values)).toEqual([1, 2])
  })
  it('cumsum in its four forms', () => {
    const t = row(1, 2, 4)
    expect(values(t.cumsum())).toEqual([1, 3, 7])
    expect(values(t.cumsum(0, { exclusive: true }))).toEqual([0, 1, 3])
    expect(values(t.cumsum(0, { reverse: true }))).toEqual([7, 6, 4])
    expect(values(t.cumsum(0, { reverse: true, exclusive: true }))).toEqual([6, 4, 0])
  })
  it('norms, and their taps', () => {
    const t = tensor([1, 3, -2, 2], [2, 2], 'float64')
    expect(values(layerNorm(t, 0).normalized)).toEqual([-1, 1, -1, 1])
    expect(values(layerNorm(t, 0).scale)).toEqual([1, 2])
    const rms = values(rmsNorm(row(3, 4), 0).normalized)
    expect(rms[0]).toBeCloseTo(3 / Math.sqrt(12.5), 14)
    const tapped = layerNorm(
      t,
      0,
      (scale) => scale.mul(2),
      (normalized) => normalized.add(1),
    )
    expect(values(tapped.normalized)).toEqual([0.5, 1.5, 0.5, 1.5])
  })
  it('cross-entropy', () => {
    const logits = tensor([0, 0, Math.log(3), 0], [2, 2], 'float64')
    const losses = values(crossEntropy(logits, tensor([1, 0], [2], 'int64')))
    expect(losses[0]).toBeCloseTo(Math.log(2), 14)
    expect(losses[1]).toBeCloseTo(-Math.log(0.75), 14)
  })
})
