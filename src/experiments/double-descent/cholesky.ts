import { DiopterError } from '../../errors/index.ts'

/**
 * The lower triangular factor L of a symmetric positive definite matrix, A = L L^T, row by row in float64 [size, size].
 * Throws when A is not positive definite to rounding.
 */
export function choleskyFactor(matrix: Float64Array, size: number): Float64Array {
  const factor = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const rest = matrix[i * size + j]! - dot(factor, i * size, factor, j * size, j)
      if (j < i) factor[i * size + j] = rest / factor[j * size + j]!
      else if (rest > 0) factor[i * size + i] = Math.sqrt(rest)
      else throw new DiopterError(`The matrix is not positive definite: pivot ${i} is ${rest}. A larger penalty helps.`)
    }
  }
  return factor
}

/** Solves L L^T x = b for the factor L [size, size] and b [size]. */
export function choleskySolve(factor: Float64Array, b: Float64Array): Float64Array {
  const size = b.length
  const x = b.slice()
  for (let i = 0; i < size; i++) {
    x[i] = (x[i]! - dot(factor, i * size, x, 0, i)) / factor[i * size + i]!
  }
  for (let i = size - 1; i >= 0; i--) {
    const own = x[i]! / factor[i * size + i]!
    x[i] = own
    for (let j = 0; j < i; j++) x[j]! -= factor[i * size + j]! * own
  }
  return x
}

/** The dot product of `length` entries of `a` and `b` from these places on. */
export function dot(a: Float64Array, fromA: number, b: Float64Array, fromB: number, length: number): number {
  let sum = 0
  for (let k = 0; k < length; k++) sum += a[fromA + k]! * b[fromB + k]!
  return sum
}
