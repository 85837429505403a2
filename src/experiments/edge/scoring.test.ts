import { describe, expect, it } from 'vitest'
import { randomSource } from '../../random/index.ts'
import { areaUnder, corners, matchEffects, rocCurve, score } from './scoring.ts'
import type { Trial } from './trials.ts'

const trial = (isBreakage: boolean, suspicion: number, effect = 1): Trial => ({
  ...{ family: 'planted', seed: 0, mislead: 0 },
  ...{ isBreakage, suspicion, effect, isFired: suspicion > 0 },
})

describe('scoring of checks', () => {
  it('gives a check that knows the truth full marks', () => {
    const trials = Array.from({ length: 80 }, (_, i) => trial(i % 2 === 0, i % 2 === 0 ? 1 : -1, 1 + (i % 7)))
    expect(score(trials)).toMatchObject({ detection: 1, falseAlarms: 0, area: 1, attainable: 1, trials: 80 })
  })

  it('gives one that knows nothing an area of a half', () => {
    const random = randomSource(1, 'suspicion')
    const trials = Array.from({ length: 2000 }, (_, i) => trial(i % 2 === 0, random.normal()))
    expect(score(trials).area).toBeCloseTo(0.5, 1)
    expect(score(trials).attainable).toBeLessThan(0.12)
    const constant = trials.map((one) => ({ ...one, suspicion: 0 }))
    expect(areaUnder(rocCurve(constant))).toBeCloseTo(0.5, 10)
  })

  it('knows nothing where nothing breaks', () => {
    const { area, attainable, detection } = score(Array.from({ length: 30 }, () => trial(false, -1)))
    expect([area, attainable, detection]).toEqual([Number.NaN, Number.NaN, Number.NaN])
  })

  it('says what a better threshold would reach', () => {
    // all breakages are more suspicious than all sound cases, but nothing fires
    const trials = Array.from({ length: 40 }, (_, i) => trial(i < 20, i < 20 ? -0.2 : -0.8))
    expect(score(trials)).toMatchObject({ detection: 0, falseAlarms: 0, attainable: 1 })
  })

  it('draws a characteristic by its corners alone', () => {
    const random = randomSource(2, 'suspicion')
    const roc = rocCurve(
      Array.from({ length: 400 }, (_, i) => trial(i % 2 === 0, random.normal() + (i % 2 === 0 ? 1 : 0))),
    )
    const drawn = corners(roc)
    expect(drawn.length).toBeLessThan(roc.length * 0.7)
    expect(areaUnder(drawn)).toBeCloseTo(areaUnder(roc), 10)
    expect([drawn[0], drawn.at(-1)]).toEqual([roc[0], roc.at(-1)])
  })

  it('compares at equal effect sizes only', () => {
    // breakages are strong models, sound cases weak ones, with a little overlap
    const strong = Array.from({ length: 100 }, (_, i) => trial(true, 1, 10 + i / 100))
    const weak = Array.from({ length: 100 }, (_, i) => trial(false, -1, 1 + i / 100))
    const both = [trial(true, 1, 1.5), trial(false, -1, 10.5)]
    const matched = matchEffects([...strong, ...weak, ...both])
    expect(matched.filter(({ isBreakage }) => isBreakage).length).toBe(
      matched.filter(({ isBreakage }) => !isBreakage).length,
    )
    expect(matched.length).toBeLessThanOrEqual(4)
    expect(matched.length).toBeGreaterThan(0)
  })
})
