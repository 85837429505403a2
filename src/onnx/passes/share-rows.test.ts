import { describe, expect, it } from 'vitest'
import { evaluate } from '../../../test/support/evaluate.ts'
import { randomSource } from '../../random/index.ts'
import { input, printGraph, type Tensor, topologicalOrder } from '../../tensor/index.ts'
import { shareRows } from './share-rows.ts'

const table = input('table', [5, 4])
const positions = input('positions', [3, 4])
const matrix = input('matrix', [4, 6])
const vector = input('vector', [4])
const tokens = input('tokens', [20, 3], 'int64')
// [20, 3, 4]
const embedded = table.gather(tokens).add(positions.unsqueeze(0))

const rowsOfProducts = (outputs: readonly Tensor[]) =>
  topologicalOrder(outputs)
    .filter(({ op }) => op === 'matmul')
    .map((t) => t.size / t.shape.at(-1)!)

describe('row sharing', () => {
  it('multiplies tables instead of the rows that were looked up in them', () => {
    expect(rowsOfProducts(shareRows([embedded.matmul(matrix)]))).toEqual([5, 3])
  })

  it('computes the same numbers', () => {
    const random = randomSource(0, 'share rows')
    const normal = (size: number) => Float64Array.from({ length: size }, () => random.normal())
    const feeds = new Map<Tensor, Float64Array>([
      [table, normal(20)],
      [positions, normal(12)],
      [matrix, normal(24)],
      [vector, normal(4)],
      [tokens, Float64Array.from({ length: 60 }, () => random.integer(5))],
    ])
    const product = embedded.add(vector).get(':', -1).matmul(matrix)
    const [plain] = evaluate([product], feeds)
    const [shared] = evaluate(shareRows([product]), feeds)
    expect([...shared!]).toEqual([...plain!].map((x) => expect.closeTo(x, 10)))
  })

  it('leaves products alone whose rows are not twice as many as those of the tables', () => {
    const few = table
      .gather(input('few', [3, 3], 'int64'))
      .add(positions.unsqueeze(0))
      .matmul(matrix)
    expect(shareRows([few])).toEqual([few])
  })

  it('stops at whatever is no sum of look-ups, as a norm is', () => {
    const normed = embedded.div(embedded.square().mean(-1, true).sqrt()).matmul(matrix)
    expect(printGraph({ normed: shareRows([normed])[0]! })).toBe(printGraph({ normed }))
  })
})
