import { expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { input, topologicalOrder } from '../tensor/index.ts'
import { after } from './after.ts'

const done = [input('gradient', [2, 3]), input('other', [1])]
const values = {
  x: input('x', [4]),
  tokens: input('tokens', [3], 'int64'),
  mask: input('mask', [2], 'bool'),
}

it('values that come after others depend on all of them', () => {
  for (const value of Object.values(after(done, values))) {
    expect(topologicalOrder([value])).toEqual(expect.arrayContaining(done))
  }
})

it('keeps every value and type, whatever is computed before', () => {
  const feeds = new Map([
    [done[0]!, [Number.NaN, 2, 3, 4, 5, 6]],
    [done[1]!, [Number.NEGATIVE_INFINITY]],
    [values.x, [-0, 0, Number.POSITIVE_INFINITY, 1.5]],
    [values.tokens, [7, 0, -1]],
    [values.mask, [1, 0]],
  ])
  const waited = after(done, values)
  expect(Object.values(waited).map(({ dtype }) => dtype)).toEqual(['float32', 'int64', 'bool'])
  expect(evaluate(Object.values(waited), feeds).map((value) => [...value].map(Number))).toEqual([
    [-0, 0, Number.POSITIVE_INFINITY, 1.5],
    [7, 0, -1],
    [1, 0],
  ])
})
