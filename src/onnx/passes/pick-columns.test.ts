import { describe, expect, it } from 'vitest'
import { evaluate } from '../../../test/support/evaluate.ts'
import { randomSource, uniform } from '../../../test/support/random.ts'
import { type Tensor, tensor, topologicalOrder } from '../../tensor/index.ts'
import { pickColumns } from './pick-columns.ts'

const random = randomSource(3)
const draw = (...shape: number[]) => tensor(Float32Array.from(uniform(shape, random)), shape)
const products = (outputs: readonly Tensor[]) => topologicalOrder(outputs).filter((t) => t.op === 'matmul').length

describe('pickColumns', () => {
  const x = draw(3, 4)
  const indices = tensor([5, 0, 63], [3, 1], 'int64')

  it.each([
    ['a matrix', draw(4, 64)],
    ['a stored transpose', draw(64, 4).transpose()],
  ])('picks the columns of %s before the product', (_, matrix) => {
    const picked = x.matmul(matrix).add(draw(64)).reshape(3, 1, 64).reshape(3, 64).gatherElements(indices, 1)
    const outputs = pickColumns([picked])
    expect(products(outputs)).toBe(0)
    expect(evaluate(outputs)[0]!.length).toBe(3)
    evaluate(outputs)[0]!.forEach((value, i) => {
      expect(value).toBeCloseTo(evaluate([picked])[0]![i]!, 12)
    })
  })

  it('two picks of one product, a logit difference, need no product', () => {
    const logits = x.matmul(draw(64, 4).transpose())
    const difference = logits
      .gatherElements(indices, 1)
      .sub(logits.gatherElements(tensor([1, 1, 1], [3, 1], 'int64'), 1))
    const outputs = pickColumns([difference])
    expect(products(outputs)).toBe(0)
    evaluate(outputs)[0]!.forEach((value, i) => {
      expect(value).toBeCloseTo(evaluate([difference])[0]![i]!, 12)
    })
  })

  it('keeps a product that something else reads, and picks of many columns', () => {
    const logits = x.matmul(draw(4, 64))
    expect(products(pickColumns([logits.gatherElements(indices, 1), logits]))).toBe(1)
    expect(products(pickColumns([logits.gatherElements(indices, 1).add(logits.softmax().max())]))).toBe(1)
    const many = tensor(
      Array.from({ length: 96 }, (_, i) => i % 64),
      [3, 32],
      'int64',
    )
    expect(products(pickColumns([logits.gatherElements(many, 1)]))).toBe(1)
  })
})
