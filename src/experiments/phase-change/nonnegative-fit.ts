/** Weights w >= 0 that minimise |A w - y|^2, and what solving it left behind. */
export interface NonnegativeFit {
  readonly weights: Float64Array
  /** Columns with a positive weight. */
  readonly active: readonly number[]
  /** Lower Cholesky factor of the active columns' Gram matrix, row-major [active, active]. */
  readonly factor: Float64Array
}

/** Pivots below this mean a column that the active ones already span; columns have length 1. */
const SPANNED = 1e-9

/** Inner products of one column with all [columns]; of few columns they are ever asked for. */
export type GramRow = (column: number) => Float64Array

/**
 * Lawson & Hanson's active-set method (1974) on inner products alone: `gram` gives the rows of A'A, with a unit diagonal, and
 * `target` is A'y. Many right-hand sides then share one Gram matrix.
 */
export function nonnegativeFit(gram: GramRow, target: Float64Array): NonnegativeFit {
  const columns = target.length
  const weights = new Float64Array(columns)
  const barred = new Uint8Array(columns)
  const tolerance = 1e-9 * target.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-300)
  let active: number[] = []
  let factor = new Float64Array(0)
  for (let round = 0; round < 4 * columns; round++) {
    const entering = steepest(gram, target, weights, active, barred, tolerance)
    if (entering < 0) break
    const grown = cholesky(gram, [...active, entering])
    if (!grown) {
      barred[entering] = 1
      continue
    }
    active.push(entering)
    factor = grown
    for (;;) {
      const solution = solve(factor, active, target)
      if (solution.every((x) => x > 0)) {
        active.forEach((column, i) => {
          weights[column] = solution[i]!
        })
        break
      }
      // As far towards the solution as no weight turns negative; what reaches zero leaves.
      let share = 1
      active.forEach((column, i) => {
        if (solution[i]! <= 0) share = Math.min(share, weights[column]! / (weights[column]! - solution[i]!))
      })
      active.forEach((column, i) => {
        const moved = weights[column]! + share * (solution[i]! - weights[column]!)
        weights[column] = solution[i]! <= 0 && moved <= 1e-12 * Math.abs(solution[i]!) ? 0 : Math.max(0, moved)
      })
      const kept = active.filter((column) => weights[column]! > 0)
      // A column that would leave as soon as it entered can gain nothing.
      if (!kept.includes(entering)) barred[entering] = 1
      active = kept
      factor = cholesky(gram, active)!
      if (active.length === 0) break
    }
  }
  return { weights, active, factor }
}

/** The inactive column along which the fit improves fastest, or -1. */
function steepest(
  gram: GramRow,
  target: Float64Array,
  weights: Float64Array,
  active: readonly number[],
  barred: Uint8Array,
  tolerance: number,
): number {
  let best = -1
  let most = tolerance
  const rows = active.map(gram)
  for (let j = 0; j < target.length; j++) {
    if (weights[j]! > 0 || barred[j]) continue
    let slope = target[j]!
    for (let k = 0; k < active.length; k++) slope -= rows[k]![j]! * weights[active[k]!]!
    if (slope > most) {
      most = slope
      best = j
    }
  }
  return best
}

/** The lower factor of the chosen columns' Gram matrix; null when they are not independent. */
function cholesky(gram: GramRow, chosen: readonly number[]): Float64Array<ArrayBuffer> | null {
  const size = chosen.length
  const lower = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    const row = gram(chosen[i]!)
    for (let j = 0; j <= i; j++) {
      let sum = row[chosen[j]!]!
      for (let k = 0; k < j; k++) sum -= lower[i * size + k]! * lower[j * size + k]!
      if (i !== j) lower[i * size + j] = sum / lower[j * size + j]!
      else if (sum < SPANNED) return null
      else lower[i * size + i] = Math.sqrt(sum)
    }
  }
  return lower
}

/** L^-1 b for a lower factor. */
export function forwardSubstitute(factor: Float64Array, b: Float64Array): Float64Array {
  const size = b.length
  const x = new Float64Array(size)
  for (let i = 0; i < size; i++) {
    let sum = b[i]!
    for (let k = 0; k < i; k++) sum -= factor[i * size + k]! * x[k]!
    x[i] = sum / factor[i * size + i]!
  }
  return x
}

function solve(factor: Float64Array, active: readonly number[], target: Float64Array): Float64Array {
  const size = active.length
  const x = forwardSubstitute(
    factor,
    Float64Array.from(active, (column) => target[column]!),
  )
  for (let i = size - 1; i >= 0; i--) {
    let sum = x[i]!
    for (let k = i + 1; k < size; k++) sum -= factor[k * size + i]! * x[k]!
    x[i] = sum / factor[i * size + i]!
  }
  return x
}
