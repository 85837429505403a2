/**
 * Counts of n-grams, sorted. An n-gram of ids below V is one number, its first token the highest digit in base V, so that n-grams of one
 * context lie together; numbers stay exact up to 2^53.
 */
export interface NgramTable {
  /** [types] ascending. */
  readonly keys: Float64Array
  /** [types] at least 1. */
  readonly counts: Uint32Array
}

/** How often each n-gram of `length` tokens stands in the text. */
export function countNgrams(tokens: ArrayLike<number>, length: number, vocabularySize: number): NgramTable {
  const keys = new Float64Array(Math.max(0, tokens.length - length + 1))
  for (let at = 0; at < keys.length; at++) {
    let key = 0
    for (let i = 0; i < length; i++) key = key * vocabularySize + tokens[at + i]!
    keys[at] = key
  }
  return countSorted(keys.sort())
}

/** For each n-gram of `length` tokens the number of different tokens that stand before it. @param longer the n-grams one token longer. */
export function countContinuations(longer: NgramTable, length: number, vocabularySize: number): NgramTable {
  const base = vocabularySize ** length
  return countSorted(longer.keys.map((key) => key % base).sort())
}

/** The place of a key in an ascending list, or -1. */
export function indexOfKey(keys: Float64Array, key: number): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return keys[low] === key ? low : -1
}

/** Different keys of an ascending list, and how often each is there. */
function countSorted(sorted: Float64Array): NgramTable {
  let types = 0
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) types++
  const keys = new Float64Array(types)
  const counts = new Uint32Array(types)
  let at = -1
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) keys[++at] = sorted[i]!
    counts[at]!++
  }
  return { keys, counts }
}
