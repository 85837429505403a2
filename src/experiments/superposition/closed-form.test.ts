import { describe, expect, it } from 'vitest'
import {
  bestPairLoss,
  bestStructure,
  ignoredLoss,
  pairedFeatureLoss,
  structureLosses,
  unitPairLoss,
} from './closed-form.ts'
import { expectedLoss, type ToyModel } from './expected-loss.ts'

const model = (rows: number[][], biases: number[]): ToyModel => ({
  W: Float32Array.from(rows.flat()),
  b: Float32Array.from(biases),
  features: rows.length,
  hidden: rows[0]!.length,
})

describe('expected losses against integrals', () => {
  it.each([0.05, 0.4, 1])('ignored and dedicated features at density %d', (p) => {
    const found = expectedLoss(model([[1], [0]], [0, p / 2]), p, [1, 3], 200)
    expect(found).toBeCloseTo(3 * ignoredLoss(p), 4)
  })

  it.each([0.05, 0.4, 1])('a unit pair at density %d', (p) => {
    expect(expectedLoss(model([[1], [-1]], [0, 0]), p, [1, 2.5], 200)).toBeCloseTo(unitPairLoss(p, 2.5), 4)
  })

  it.each([
    [0.3, 1, 1, 0, 0],
    [0.6, 0.87, 0.9, 0.21, 0.1],
    [0.9, 0.5, 1.2, 0.4, 0.02],
    [0.9, 1.2, 0.3, 0, 0.6],
  ])('any pair: density %d, scales %d and %d, biases %d and %d', (p, a, c, b, d) => {
    const exact = pairedFeatureLoss(p, a * a, a * c, b) + 2 * pairedFeatureLoss(p, c * c, a * c, d)
    expect(expectedLoss(model([[a], [-c]], [b, d]), p, [1, 2], 300)).toBeCloseTo(exact, 4)
  })

  it('other structures of three features in two dimensions', () => {
    const paired = model(
      [
        [1, 0],
        [-1, 0],
        [0, 1],
      ],
      [0, 0, 0],
    )
    expect(expectedLoss(paired, 0.3, [1, 1, 5], 40)).toBeCloseTo(unitPairLoss(0.3, 1), 4)
  })
})

describe('the best structure', () => {
  it('turns where the formulas say, for unit weights', () => {
    const at = (p: number, r: number) => bestStructure(structureLosses(1, p, r, unitPairLoss))
    const ignored = (4 * 0.4) / (2 + 5 * 0.4)
    expect([at(ignored - 0.001, 0.4), at(ignored + 0.001, 0.4)]).toEqual(['superposed', 'ignored'])
    const dedicated = 4 / (5 + 2 * 3)
    expect([at(dedicated - 0.001, 3), at(dedicated + 0.001, 3)]).toEqual(['superposed', 'dedicated'])
  })

  it('is never worse with free scales and biases', () => {
    for (const p of [0.03, 0.3, 0.6]) {
      for (const r of [0.2, 1, 5]) expect(bestPairLoss(p, r)).toBeLessThanOrEqual(unitPairLoss(p, r))
    }
    // much better where pairs hardly pay
    expect(bestPairLoss(0.6, 1)).toBeLessThan(0.9 * unitPairLoss(0.6, 1))
  })

  it('pairs two others to give an important feature a dimension', () => {
    expect(bestStructure(structureLosses(2, 0.1, 5))).toBe('others superposed')
    expect(bestStructure(structureLosses(2, 0.1, 0.5))).toBe('superposed')
    expect(bestStructure(structureLosses(2, 1, 0.5))).toBe('ignored')
  })
})
