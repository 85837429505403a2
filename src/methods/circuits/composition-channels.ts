/**
 * Composition that a norm does not show. Beside the Frobenius ratio of composition.ts: its null for heads of the same spectra in
 * random directions, which is exact for uniformly random rotations of d dimensions, and the best rank-1 component: the largest
 * cosine between a singular direction that the earlier head writes and one that the later head reads (Merullo et al. 2406.09519).
 */
import { randomSource } from '../../random/index.ts'
import { mean } from '../shared/statistics.ts'

/** Mean and standard deviation of a squared ratio over random rotations. */
export interface SpectrumNull {
  readonly mean: number
  readonly deviation: number
}

/**
 * The null of ||A B||^2 / (||A||^2 ||B||^2) when A's outputs are turned at random in d dimensions, from the singular values of A and B:
 * with shares a_i = s_i^2 / sum s^2, b_j likewise and a Haar matrix Q, the ratio is sum a_i b_j Q_ij^2, whose moments are known.
 */
export function spectrumNull(a: readonly number[], b: readonly number[], d: number): SpectrumNull {
  const [alpha, beta] = [concentration(a), concentration(b)]
  const same = 3 / (d * (d + 2))
  const line = 1 / (d * (d + 2))
  const apart = d > 1 ? (d + 1) / (d * (d - 1) * (d + 2)) : 0
  const second =
    alpha * beta * same + (alpha * (1 - beta) + (1 - alpha) * beta) * line + (1 - alpha) * (1 - beta) * apart
  return { mean: 1 / d, deviation: Math.sqrt(Math.max(second - 1 / (d * d), 0)) }
}

/** Sum of squared shares of the squared singular values: 1 / rank for a flat spectrum, 1 for a single direction. */
function concentration(values: readonly number[]): number {
  const total = values.reduce((sum, s) => sum + s * s, 0)
  return total === 0 ? 0 : values.reduce((sum, s) => sum + ((s * s) / total) * ((s * s) / total), 0)
}

const DRAWS = 200

/** The null of the largest |cosine| between `count` directions and `count` others in d dimensions. */
export function cosineNull(count: number, d: number, seed: number): SpectrumNull {
  const random = randomSource(seed, 'rank-1 components')
  const drawn = Array.from({ length: DRAWS }, () => {
    let largest = 0
    for (let i = 0; i < count * count; i++) largest = Math.max(largest, Math.abs(random.normal()))
    return Math.min(1, largest / Math.sqrt(d))
  })
  const middle = mean(drawn)
  return { mean: middle, deviation: Math.sqrt(mean(drawn.map((x) => (x - middle) ** 2))) }
}
