import { EigenvalueDecomposition, Matrix } from 'ml-matrix'

/** The singular value decomposition of a product A B, of which only the small matrices A'A and B B' are known. */
export interface ProductFactors {
  /** Largest first. */
  readonly values: readonly number[]
  /** Columns a of which A a is a left singular vector of length 1, [e, e]. */
  readonly left: Matrix
  /** Columns b of which B' b is a right singular vector of length 1, [e, e]. */
  readonly right: Matrix
}

/** Below this share of the largest, an eigenvalue of A'A is rounding. */
const ROUNDING = 1e-12

/**
 * Factors A B, [n, e] times [e, m], from A'A and B B' (both [e, e], row-major), without ever making the [n, m] product:
 * with L = (A'A)^(1/2), the eigenvalues of L (B B') L are the squares of the singular values.
 */
export function factorProduct(gramLeft: ArrayLike<number>, gramRight: ArrayLike<number>, size: number): ProductFactors {
  const square = (values: ArrayLike<number>) => symmetric(Matrix.from1DArray(size, size, Array.from(values)))
  const [root, inverse] = roots(square(gramLeft))
  const inner = symmetric(root.mmul(square(gramRight)).mmul(root))
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(inner, { assumeSymmetric: true })
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!)
  const values = order.map((i) => Math.sqrt(Math.max(realEigenvalues[i]!, 0)))
  const vectors = new Matrix(eigenvectorMatrix.to2DArray().map((row) => order.map((i) => row[i]!)))
  const right = root.mmul(vectors)
  values.forEach((value, i) => {
    const scale = value > Math.sqrt(ROUNDING) * values[0]! ? 1 / value : 0
    for (let row = 0; row < size; row++) right.set(row, i, right.get(row, i) * scale)
  })
  return { values, left: inverse.mmul(vectors), right }
}

/** The eigenvalues of a matrix [e, e], row-major, by falling size: [real, imaginary]. */
export function eigenvalues(values: ArrayLike<number>, size: number): (readonly [number, number])[] {
  const square = Matrix.from1DArray(size, size, Array.from(values))
  const { realEigenvalues, imaginaryEigenvalues } = new EigenvalueDecomposition(square)
  return realEigenvalues
    .map((real, i) => [real, imaginaryEigenvalues[i]!] as const)
    .sort((a, b) => Math.hypot(...b) - Math.hypot(...a))
}

/** The square root of a symmetric matrix without negative eigenvalues, and its pseudo-inverse. */
function roots(gram: Matrix): [Matrix, Matrix] {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true })
  const largest = Math.max(0, ...realEigenvalues)
  const made = (scale: (x: number) => number) => {
    const scaled = eigenvectorMatrix.clone().mulRowVector(realEigenvalues.map((x) => scale(Math.max(x, 0))))
    return scaled.mmul(eigenvectorMatrix.transpose())
  }
  return [made(Math.sqrt), made((x) => (x > ROUNDING * largest ? 1 / Math.sqrt(x) : 0))]
}

function symmetric(matrix: Matrix): Matrix {
  return matrix.clone().add(matrix.transpose()).mul(0.5)
}
