import { describe, expect, it } from 'vitest'
import { normalValues, randomSource } from '../../random/index.ts'
import {
  type Directions,
  dimensionsPerFeature,
  featureDimensionalities,
  featureNorms,
  neighbourAngles,
  polytopeFractions,
  shareNear,
  superpositionOf,
} from './geometry.ts'

function directions(...rows: number[][]): Directions {
  return { W: Float32Array.from(rows.flat()), features: rows.length, hidden: rows[0]!.length }
}

/** The corners of a regular polygon, turned a little. */
function polygon(corners: number): Directions {
  const angle = (i: number) => (2 * Math.PI * i) / corners + 0.3
  return directions(...Array.from({ length: corners }, (_, i) => [Math.cos(angle(i)), Math.sin(angle(i))]))
}

const tetrahedron = directions([1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1])

/** Two squares, one turned by 45 degrees, at such heights that the directions are spread best for 8 points (Thomson's problem). */
function squareAntiprism(): Directions {
  const height = 0.5604
  const radius = Math.sqrt(1 - height ** 2)
  return directions(
    ...Array.from({ length: 8 }, (_, i) => {
      const angle = (i * Math.PI) / 4
      return [radius * Math.cos(angle), radius * Math.sin(angle), i % 2 === 0 ? height : -height]
    }),
  )
}

describe('dimensionality of features', () => {
  it.each([
    ['orthogonal directions', directions([2, 0], [0, 0.5]), 1],
    ['an antipodal pair', directions([0.6, 0.8], [-0.6, -0.8]), 1 / 2],
    ['a triangle', polygon(3), 2 / 3],
    ['a pentagon', polygon(5), 2 / 5],
    ['a tetrahedron', tetrahedron, 3 / 4],
    ['a square antiprism', squareAntiprism(), 3 / 8],
  ])('of %s', (_, planted, expected) => {
    for (const found of featureDimensionalities(planted)) expect(found).toBeCloseTo(expected, 2)
    expect(shareNear(featureDimensionalities(planted), [expected], 0.01)).toBe(1)
  })

  it('adds up to the rank where directions lie in blocks of their own', () => {
    // a pair in one dimension and a pentagon in two others
    const corners = polygon(5)
    const pentagon = Array.from({ length: 5 }, (_, i) => [0, corners.W[2 * i]!, corners.W[2 * i + 1]!])
    const found = featureDimensionalities(directions([1, 0, 0], [-1, 0, 0], ...pentagon))
    expect(found.reduce((a, b) => a + b)).toBeCloseTo(3, 5)
    expect(found.map((one) => Math.round(one * 100) / 100)).toEqual([0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4])
  })

  it('is 0 for a feature that is not stored', () => {
    expect(featureDimensionalities(directions([1, 0], [0, 0]))).toEqual([1, 0])
  })

  it('of random directions is not at the fractions of polytopes', () => {
    const random = { W: normalValues(40 * 20, 1, randomSource(0, 'directions')), features: 40, hidden: 20 }
    expect(shareNear(featureDimensionalities(random), polytopeFractions, 0.02)).toBeLessThan(0.5)
  })
})

describe('other measures', () => {
  it('counts dimensions per feature', () => {
    expect(dimensionsPerFeature(polygon(5))).toBeCloseTo(2 / 5, 6)
    expect(dimensionsPerFeature(directions([1, 0], [0, 1], [0, 0]))).toBeCloseTo(1, 6)
  })

  it('measures angles between neighbours', () => {
    for (const angle of neighbourAngles(polygon(5))) expect(angle).toBeCloseTo(72, 4)
    expect(neighbourAngles(directions([1, 0], [0, 3], [-1, 0]))[2]).toBeCloseTo(180, 5)
  })

  it('measures what else lies along a feature', () => {
    expect(superpositionOf(directions([1, 0], [0, 1]))).toEqual([0, 0])
    expect(superpositionOf(directions([1, 0], [-2, 0]))).toEqual([4, 1])
    expect(featureNorms(directions([3, 4], [0, 0]))).toEqual([5, 0])
  })
})
