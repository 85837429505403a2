import { describe, expect, it } from 'vitest'
import { nest } from '../patching/patch-grid.ts'
import { atLeast, atMost } from './checks.ts'
import { indicesWithin } from './selection.ts'
import {
  bootstrapMeans,
  correlation,
  largestIndices,
  mean,
  rankCorrelation,
  shuffledIndices,
  studentQuantile,
} from './statistics.ts'

describe('statistics', () => {
  it("Student's quantile is that of tables, within 1 %", () => {
    const table = { 1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962 }
    for (const [freedom, quantile] of Object.entries(table))
      expect(Math.abs(studentQuantile(Number(freedom)) / quantile - 1)).toBeLessThan(0.01)
  })

  it('rank correlation of known cases, ties sharing their rank', () => {
    expect(rankCorrelation([1, 2, 3, 4], [10, 20, 30, 1000])).toBe(1)
    expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBe(-1)
    // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
    expect(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12)
    expect(rankCorrelation([1, 1], [1, 2])).toBeNaN()
    expect(correlation([1, 2, 3], [2, 4, 7])).toBeCloseTo(0.9933992677987828, 12)
  })

  it('bootstrap intervals repeat, cover the mean and shrink with more samples', () => {
    const draw = (count: number) => Array.from({ length: count }, (_, i) => [Math.sin(i * 12.9898) * 3, 7])
    const [wide] = bootstrapMeans(draw(10), 1)
    const [narrow, constant] = bootstrapMeans(draw(400), 1)
    expect(bootstrapMeans(draw(10), 1)[0]).toEqual(wide)
    expect(bootstrapMeans(draw(10), 2)[0]).not.toEqual(wide)
    const centre = mean(draw(400).map(([x]) => x!))
    expect(narrow!.low).toBeLessThan(centre)
    expect(narrow!.high).toBeGreaterThan(centre)
    // The standard error of 400 values of deviation 3 / sqrt(2) is 0.106; a 95% interval spans 3.92 of them.
    expect(narrow!.high - narrow!.low).toBeGreaterThan(0.3)
    expect(narrow!.high - narrow!.low).toBeLessThan(0.55)
    expect(wide!.high - wide!.low).toBeGreaterThan(narrow!.high - narrow!.low)
    expect(constant).toEqual({ low: 7, high: 7 })
  })

  it('shuffles are permutations, seeded', () => {
    const order = shuffledIndices(20, 4)
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(shuffledIndices(20, 4)).toEqual(order)
    expect(shuffledIndices(20, 5)).not.toEqual(order)
    expect(shuffledIndices(0, 1)).toEqual([])
  })

  it('the largest in size, without what is absent', () => {
    expect(largestIndices([1, -5, null, 3, Number.NaN, -3], 3)).toEqual([1, 3, 5])
  })

  it('verdicts, where NaN fails both ways', () => {
    const claim = { name: 'n', claimed: 'c', why: 'w' }
    expect(
      [atMost(claim, 1, 1), atMost(claim, 2, 1), atMost(claim, Number.NaN, 1)].map(({ verdict }) => verdict),
    ).toEqual(['holds', 'fails', 'fails'])
    expect(
      [atLeast(claim, 1, 1), atLeast(claim, 0, 1), atLeast(claim, Number.NaN, 1)].map(({ verdict }) => verdict),
    ).toEqual(['holds', 'fails', 'fails'])
    expect(atMost(claim, 0.5, 1, 'half')).toEqual({
      ...claim,
      measured: 'half',
      threshold: 1,
      margin: 0.5,
      verdict: 'holds',
    })
  })

  it('nested lists, null for what is not finite', () => {
    expect(nest([1, Number.NaN, 3, null, 5, Number.POSITIVE_INFINITY], [3, 1, 2])).toEqual([
      [[1, null]],
      [[3, null]],
      [[5, null]],
    ])
    expect(nest([1, 2], [2])).toEqual([1, 2])
  })

  it('indices count from either end and stay inside', () => {
    expect(indicesWithin([0, -1], 3, 'Layer')).toEqual([0, 2])
    expect(indicesWithin(undefined, 2, 'Layer')).toEqual([0, 1])
    for (const bad of [3, -4, 0.5]) expect(() => indicesWithin([bad], 3, 'Layer')).toThrow('there are 3 (0..2')
  })
})
