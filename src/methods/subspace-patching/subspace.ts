/** Vectors of length 1 at right angles to one another. */
export type Basis = readonly Float64Array[]

/** A vector that is shorter than this share of what it was lies among those before it. */
const DEPENDENT = 1e-6

/** A basis of what the vectors span (Gram-Schmidt, twice against rounding); those that lie among the ones before are left out. */
export function orthonormal(vectors: readonly ArrayLike<number>[]): Basis {
  const basis: Float64Array[] = []
  for (const vector of vectors) {
    const own = Float64Array.from(vector)
    const before = norm(own)
    for (let pass = 0; pass < 2; pass++) for (const other of basis) addScaled(own, other, -dot(own, other))
    const length = norm(own)
    if (length > DEPENDENT * before) basis.push(own.map((x) => x / length))
  }
  return basis
}

/** The part of a vector [d] that lies in the subspace. */
export function inside(basis: Basis, vector: Float64Array): Float64Array {
  const part = new Float64Array(vector.length)
  for (const direction of basis) addScaled(part, direction, dot(direction, vector))
  return part
}

/** The part of a vector [d] that lies beside the subspace. */
export function outside(basis: Basis, vector: Float64Array): Float64Array {
  const part = inside(basis, vector)
  return part.map((x, i) => vector[i]! - x)
}

/** Adds `factor` times `other` to `vector`, in place. */
export function addScaled(vector: Float64Array, other: ArrayLike<number>, factor: number): void {
  for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! + factor * other[i]!
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

export function norm(vector: ArrayLike<number>): number {
  return Math.sqrt(dot(vector, vector))
}
