import { randomStream } from '../../lab/sampling.ts'

/** The arithmetic mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}

/** The standard deviation of a sample, with n - 1; NaN of fewer than two. */
export function standardDeviation(values: readonly number[]): number {
  const m = mean(values)
  return Math.sqrt(values.reduce((sum, x) => sum + (x - m) ** 2, 0) / (values.length - 1))
}

/** Spearman's rank correlation, ties sharing their mean rank; NaN when one side is constant. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  return correlation(ranks(a), ranks(b))
}

/** Pearson's correlation; NaN when one side is constant. */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  a.forEach((x, i) => {
    const [da, db] = [x - meanA, b[i]! - meanB]
    ab += da * db
    aa += da * da
    bb += db * db
  })
  return ab / Math.sqrt(aa * bb)
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!)
  const result = new Array<number>(values.length)
  for (let first = 0; first < order.length; ) {
    let last = first
    while (last + 1 < order.length && values[order[last + 1]!] === values[order[first]!]) last++
    for (let i = first; i <= last; i++) result[order[i]!] = (first + last) / 2
    first = last + 1
  }
  return result
}

/** A 95% interval of a mean. */
export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * Percentile bootstrap intervals (95%, 1000 resamples) of the mean of every column of `rows` [samples][columns]. Whole rows
 * are drawn, so that columns stay paired.
 */
export function bootstrapMeans(rows: readonly (readonly number[])[], seed: number, resamples = 1000): Interval[] {
  const random = randomStream(seed)
  const draws = Array.from({ length: resamples }, () => rows.map(() => Math.floor(random() * rows.length)))
  return (rows[0] ?? []).map((_, column) => {
    const means = Float64Array.from(draws, (draw) => mean(draw.map((row) => rows[row]![column]!))).sort()
    const at = (share: number) => means[Math.round(share * (resamples - 1))]!
    return { low: at(0.025), high: at(0.975) }
  })
}

/**
 * How many standard errors a 95 % interval of a mean extends to either side, by degrees of freedom (Student): exact for 1 and 2,
 * then the Cornish-Fisher expansion around the normal quantile, within 1 %.
 */
export function studentQuantile(freedom: number): number {
  if (freedom === 1) return 12.706
  if (freedom === 2) return 4.303
  return 1.96 + 2.372 / freedom + 2.823 / freedom ** 2 + 2.556 / freedom ** 3
}

/** Means over samples, with what they are worth. */
export interface Summary {
  /** Per column; null where a sample has none. */
  readonly means: readonly (number | null)[]
  /** Ends of 95% bootstrap intervals; null for a single sample. */
  readonly low: readonly number[] | null
  readonly high: readonly number[] | null
}

/** The means of every column of `rows` [samples][columns], with seeded bootstrap intervals where there are several samples. */
export function summarizeRows(rows: readonly (readonly (number | null)[])[], seed: number): Summary {
  // A sum that starts at 0 is never -0.
  if (rows.length === 1) return { means: rows[0]!.map((x) => (x === null ? null : x + 0)), low: null, high: null }
  const means = rows[0]!.map((_, column) => {
    let sum = 0
    for (const row of rows) {
      const value = row[column] ?? null
      if (value === null) return null
      sum += value
    }
    return sum / rows.length
  })
  const intervals = bootstrapMeans(
    rows.map((row) => row.map((value) => value ?? Number.NaN)),
    seed,
  )
  return { means, low: intervals.map(({ low }) => low), high: intervals.map(({ high }) => high) }
}

/** The indices 0..count-1 in a random order (Fisher-Yates). */
export function shuffledIndices(count: number, seed: number): number[] {
  const random = randomStream(seed)
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** The indices of the `count` values that are largest in size; values that are not finite are left out. */
export function largestIndices(values: readonly (number | null)[], count: number): number[] {
  const size = (i: number) => Math.abs(values[i]!)
  const present = values.flatMap((x, i) => (x !== null && Number.isFinite(x) ? [i] : []))
  return present.sort((a, b) => size(b) - size(a) || a - b).slice(0, count)
}
