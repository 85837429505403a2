import type { RandomSource } from './index.ts'

/**
 * A random rotation or reflection [size, size], row by row, uniform over the orthogonal matrices: normal rows made orthogonal one
 * after the other (Gram-Schmidt, each row twice, so that rounding leaves nothing behind).
 */
export function randomRotation(size: number, random: RandomSource): Float32Array {
  const rows: Float64Array[] = []
  for (let i = 0; i < size; i++) {
    const row = Float64Array.from({ length: size }, () => random.normal())
    for (const earlier of [...rows, ...rows]) {
      const along = dot(row, earlier)
      for (let k = 0; k < size; k++) row[k]! -= along * earlier[k]!
    }
    const length = Math.sqrt(dot(row, row))
    rows.push(row.map((value) => value / length))
  }
  return Float32Array.from(rows.flatMap((row) => [...row]))
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!
  return sum
}
