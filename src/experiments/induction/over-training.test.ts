import { describe, expect, it } from 'vitest'
import { aboveForGood, formationOf, headCurves, largestOf, nearest } from './over-training.ts'

const steps = Array.from({ length: 101 }, (_, i) => 10 * i)
const curve = (at: (step: number) => number) => ({ steps, values: steps.map(at) })
const logistic = (x: number) => 1 / (1 + Math.exp(-x))

describe('when induction heads form', () => {
  it('finds the 10 and 90 % steps of a planted rise, and where the context score is half way', () => {
    // a logistic is at 10 % and 90 % at log(9) widths from its middle
    const rise = curve((step) => 0.8 * logistic((step - 400) / 20))
    const inContext = curve((step) => 0.02 - 0.62 * logistic((step - 410) / 20))
    const { start, end, inContextHalf } = formationOf(rise, inContext)
    expect(start).toBeCloseTo(400 - 20 * Math.log(9), 0)
    expect(end).toBeCloseTo(400 + 20 * Math.log(9), 0)
    expect(Math.abs(inContextHalf - 411)).toBeLessThan(2)
  })

  it('does not count a rise that is lost again', () => {
    const twice = curve((step) => ((step > 100 && step < 200) || step >= 600 ? 1 : 0))
    expect(aboveForGood(twice, 0.5)).toBeCloseTo(595, 6)
  })

  it('is NaN where nothing rises', () => {
    expect(
      aboveForGood(
        curve(() => 0.04),
        0.004,
      ),
    ).toBeNaN()
    expect(
      aboveForGood(
        curve((step) => 1 - step / 1000),
        0.5,
      ),
    ).toBeNaN()
  })
})

describe('reading the log of heads', () => {
  const log = [0, 50, 100].map((step) => ({
    step,
    values: { 'heads/prefixMatching': [0, 0.1, step / 100, 0.2], 'heads/previousToken': [step / 200, 0, 0, 0] },
  }))

  it('gives every head its curves, layer by layer', () => {
    const heads = headCurves([...log, { step: 100, values: { loss: 1 } }], 2, 2)
    expect(heads.map(({ layer, head }) => [layer, head])).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ])
    expect(heads[2]!.prefixMatching).toEqual({ steps: [0, 50, 100], values: [0, 0.5, 1] })
    expect(heads[0]!.previousToken.values).toEqual([0, 0.25, 0.5])
    expect(largestOf(heads.map(({ prefixMatching }) => prefixMatching)).values).toEqual([0.2, 0.5, 1])
  })

  it('finds the entry nearest to a step among those that have the quantity', () => {
    const mixed = [...log, { step: 80, values: { loss: 1 } }]
    expect(nearest(mixed, 'heads/previousToken', 82)?.step).toBe(100)
    expect(nearest(mixed, 'absent', 82)).toBeUndefined()
  })
})
