/**
 * How features share dimensions. Row i of W is the direction W_i in which feature i is stored.
 *
 *     D_i = |W_i|^2 / sum_j (W_i/|W_i| . W_j)^2        D* = m / |W|_F^2
 *
 * D_i is the part of a dimension that feature i has to itself: 1 when it is orthogonal to all others, 1/2 in an antipodal
 * pair (digon), 2/3 in a triangle, 3/4 in a tetrahedron, 2/5 in a pentagon, 3/8 in a square antiprism. D* is the average
 * over the features that are represented, as far as their norms are 1. (Elhage et al. 2022, "The geometry of superposition".)
 */

/** The directions of one model's features. */
export interface Directions {
  /** [features, hidden], row by row. */
  readonly W: Float32Array
  readonly features: number
  readonly hidden: number
}

/** The fractions at which published D_i cluster: digon, triangle, pentagon, tetrahedron, square antiprism. */
export const polytopeFractions: readonly number[] = [1 / 2, 2 / 3, 2 / 5, 3 / 4, 3 / 8]

/** |W_i| of every feature. */
export function featureNorms({ W, features, hidden }: Directions): number[] {
  return Array.from({ length: features }, (_, i) => Math.hypot(...W.subarray(i * hidden, (i + 1) * hidden)))
}

/** W W^T, row by row [features, features]: what feature j adds to the output of feature i. */
export function overlaps({ W, features, hidden }: Directions): number[][] {
  return Array.from({ length: features }, (_, i) =>
    Array.from({ length: features }, (_, j) => {
      let sum = 0
      for (let k = 0; k < hidden; k++) sum += W[i * hidden + k]! * W[j * hidden + k]!
      return sum
    }),
  )
}

/** D_i of every feature; 0 for a feature that is not stored at all. */
export function featureDimensionalities(directions: Directions): number[] {
  return overlaps(directions).map((row, i) => {
    const own = row[i]!
    if (own === 0) return 0
    // sum_j (W_i . W_j)^2 / |W_i|^2
    return own ** 2 / row.reduce((sum, overlap) => sum + overlap ** 2, 0)
  })
}

/** D* = m / |W|_F^2: dimensions per represented feature. */
export function dimensionsPerFeature({ W, hidden }: Directions): number {
  return hidden / W.reduce((sum, weight) => sum + weight ** 2, 0)
}

/** How much of feature i's direction others lie on: sum over j != i of (W_i/|W_i| . W_j)^2; 0 where it has one to itself. */
export function superpositionOf(directions: Directions): number[] {
  return overlaps(directions).map((row, i) => {
    const own = row[i]!
    return own === 0 ? 0 : row.reduce((sum, overlap, j) => (j === i ? sum : sum + overlap ** 2 / own), 0)
  })
}

/** Angles in degrees between neighbouring directions around the circle (features in two dimensions), all of them: they add up to 360. */
export function neighbourAngles({ W, features }: Directions): number[] {
  const angles = Array.from({ length: features }, (_, i) => Math.atan2(W[2 * i + 1]!, W[2 * i]!)).sort((a, b) => a - b)
  return angles.map((angle, i) => {
    const next = i + 1 < features ? angles[i + 1]! : angles[0]! + 2 * Math.PI
    return ((next - angle) * 180) / Math.PI
  })
}

/** The share of values that lie within `tolerance` of one of `targets`; 0 of no values. */
export function shareNear(values: readonly number[], targets: readonly number[], tolerance: number): number {
  if (values.length === 0) return 0
  return (
    values.filter((value) => targets.some((target) => Math.abs(value - target) <= tolerance)).length / values.length
  )
}
