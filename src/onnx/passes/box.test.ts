import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Shape, stridesOf } from '../../tensor/index.ts'
import { type Box, reshapeBox } from './box.ts'

/** The row-major numbers of a box's elements, in the box's own row-major order. */
function elements({ low, high }: Box, shape: Shape): number[] {
  const strides = stridesOf(shape)
  return low.reduce<number[]>(
    (offsets, from, axis) =>
      offsets.flatMap((offset) =>
        Array.from({ length: high[axis]! - from }, (_, i) => offset + (from + i) * strides[axis]!),
      ),
    [0],
  )
}

/** Two shapes of equal size: products of the same factors, each with its own grouping. */
const shapePairs = fc
  .array(fc.record({ n: fc.integer({ min: 1, max: 3 }), cut: fc.boolean(), otherCut: fc.boolean() }), { maxLength: 6 })
  .map((factors) => {
    const group = (isCut: (factor: (typeof factors)[number]) => boolean) => {
      const shape: number[] = []
      for (const [i, factor] of factors.entries()) {
        if (i === 0 || isCut(factor)) shape.push(factor.n)
        else shape.push(shape.pop()! * factor.n)
      }
      return shape
    }
    return { from: group((f) => f.cut), to: group((f) => f.otherCut) }
  })

const cases = shapePairs.chain(({ from, to }) =>
  fc.tuple(...to.map((n) => fc.tuple(fc.nat({ max: n - 1 }), fc.nat({ max: n - 1 })))).map((ends) => ({
    from,
    to,
    box: { low: ends.map(([a, b]) => Math.min(a, b)), high: ends.map(([a, b]) => Math.max(a, b) + 1) },
  })),
)

it('the input box of a reshape holds the elements of its output box in the same order, and that holds the demand', () => {
  fc.assert(
    fc.property(cases, ({ from, to, box }) => {
      const { input, output } = reshapeBox(box, from, to)
      expect(elements(input, from)).toEqual(elements(output, to))
      box.low.forEach((low, axis) => {
        expect(output.low[axis]).toBeLessThanOrEqual(low)
        expect(output.high[axis]).toBeGreaterThanOrEqual(box.high[axis]!)
      })
    }),
    { numRuns: 2000 },
  )
})

it.each([
  ['a last position, heads merged with their features', [2, 7, 24], [2, 7, 4, 6], 1, [2, 1, 24]],
  ['a row of merged batch and positions', [14, 24], [2, 7, 24], 0, [7, 24]],
  ['one head of merged heads and features', [2, 7, 24], [2, 7, 4, 6], 2, [2, 7, 6]],
])('stays a part: %s', (_, from, to, axis, expected) => {
  const box = { low: to.map(() => 0), high: to.with(axis, 1) }
  const { input } = reshapeBox(box, from, to)
  expect(input.high.map((h, i) => h - input.low[i]!)).toEqual(expected)
})
