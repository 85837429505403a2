/**
 * Functions on the integers modulo an odd p as sums of waves cos(w x), sin(w x) with w = 2 pi k / p. There are (p - 1) / 2
 * frequencies k = 1, 2, ..: k and p - k are the same wave.
 */

/** The orthonormal real Fourier basis: rows are the constant, cos 1, sin 1, cos 2, sin 2 .. [p, p]. */
export function fourierBasis(p: number): Float32Array {
  const basis = new Float32Array(p * p).fill(1 / Math.sqrt(p), 0, p)
  const scale = Math.sqrt(2 / p)
  for (let k = 1; k <= frequencyCount(p); k++) {
    for (let x = 0; x < p; x++) {
      basis[(2 * k - 1) * p + x] = scale * Math.cos(angle(k * x, p))
      basis[2 * k * p + x] = scale * Math.sin(angle(k * x, p))
    }
  }
  return basis
}

/**
 * The directions among functions of pairs (a, b) that only see their sum: cos(w (a + b)) and sin(w (a + b)) of every
 * frequency, each of norm 1: [p - 1, p * p]. An addition circuit's logits lie in these, two per key frequency.
 */
export function sumDirections(p: number): Float32Array {
  const pairs = p * p
  const directions = new Float32Array((p - 1) * pairs)
  const scale = Math.SQRT2 / p
  for (let k = 1; k <= frequencyCount(p); k++) {
    const waves = Array.from({ length: p }, (_, s) => [
      scale * Math.cos(angle(k * s, p)),
      scale * Math.sin(angle(k * s, p)),
    ])
    for (let place = 0; place < pairs; place++) {
      const sum = (Math.floor(place / p) + (place % p)) % p
      directions[(2 * k - 2) * pairs + place] = waves[sum]![0]!
      directions[(2 * k - 1) * pairs + place] = waves[sum]![1]!
    }
  }
  return directions
}

/** How many frequencies there are modulo p. */
export const frequencyCount = (p: number): number => (p - 1) / 2

/** The power of each frequency from the power of each direction (cos 1, sin 1, cos 2 ..): sums of neighbours. */
export function powerByFrequency(directions: readonly number[]): number[] {
  return Array.from({ length: directions.length / 2 }, (_, k) => directions[2 * k]! + directions[2 * k + 1]!)
}

/** The share of the total that the `count` largest values hold; NaN when the total is 0. */
export function topShare(values: readonly number[], count: number): number {
  const total = values.reduce((sum, value) => sum + value, 0)
  const sorted = values.toSorted((a, b) => b - a)
  return sorted.slice(0, count).reduce((sum, value) => sum + value, 0) / total
}

/** The Gini coefficient of values that are not negative: 0 when all are equal, towards 1 when one holds all. NaN when all are 0. */
export function gini(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const total = sorted.reduce((sum, value) => sum + value, 0)
  const ranked = sorted.reduce((sum, value, i) => sum + (2 * (i + 1) - values.length - 1) * value, 0)
  return ranked / (values.length * total)
}

const angle = (turns: number, p: number) => (2 * Math.PI * (turns % p)) / p
