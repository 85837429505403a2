/** The highest point of a curve that first rises and then falls again. */
export interface Peak {
  /** Its place among the points. */
  readonly index: number
  /**
   * How many times higher it is than both the lowest point before it and the lowest after it (the smaller of the two): 1 for
   * a curve that only falls or only rises, so that underfitting at the start counts for nothing.
   */
  readonly ratio: number
}

/** The most prominent peak of positive values; the first point, ratio 1, when there is none. */
export function prominentPeak(values: readonly number[]): Peak {
  let best: Peak = { index: 0, ratio: 1 }
  for (const index of values.keys()) {
    const before = Math.min(...values.slice(0, index + 1))
    const after = Math.min(...values.slice(index))
    const ratio = values[index]! / Math.max(before, after)
    if (ratio > best.ratio) best = { index, ratio }
  }
  return best
}
