import { randomStream } from '../../lab/sampling.ts'

/** What the data hide: positions whose tokens vary less than they could, and pairs of positions that vary together. */
export interface DataBalance {
  /** Positions that vary less than others, whose commonest token is one that varies elsewhere. */
  readonly constant: readonly number[]
  /** Pairs of positions that tell of each other, with the share of the less varied one's information that they share. */
  readonly together: readonly { readonly positions: readonly [number, number]; readonly share: number }[]
  /** Positions that must be drawn anew for all to vary by themselves. */
  readonly hidden: readonly number[]
}

/**
 * From here on data may hide an input: a position that lacks this share of the entropy that tokens of varying positions have, or two that share
 * this much of their information. A bit that is 1 in a quarter of all examples lacks 19%, and hides a quarter of an XOR; among 64 examples it may
 * seem to lack a third of that. Scrubbing with these drawn anew decides.
 */
const HIDES = 0.05

/** Looks for inputs that the data do not vary, or not by themselves. */
export function dataBalance(ids: readonly (readonly number[])[]): DataBalance {
  const length = ids[0]!.length
  const columns = Array.from({ length }, (_, p) => ids.map((prompt) => prompt[p]!))
  const entropies = columns.map((column) => entropy(column))
  const varying = columns.flatMap((column, p) => (new Set(column).size > 1 ? [p] : []))
  const pooled = entropy(varying.flatMap((p) => columns[p]!))
  const constant = columns.flatMap((column, p) => {
    const elsewhere = new Set(varying.filter((q) => q !== p).flatMap((q) => columns[q]!))
    return entropies[p]! < (1 - HIDES) * pooled && elsewhere.has(commonest(column)) ? [p] : []
  })
  const together = varying.flatMap((p, i) =>
    varying.slice(i + 1).flatMap((q) => {
      const share = sharedInformation(columns[p]!, columns[q]!) / Math.min(entropies[p]!, entropies[q]!)
      return share >= HIDES ? [{ positions: [p, q] as const, share }] : []
    }),
  )
  const hidden = [...new Set([...constant, ...together.map(({ positions }) => positions[1])])].sort((a, b) => a - b)
  return { constant, together, hidden }
}

/** The data with hidden positions drawn anew, each by itself, from the tokens of positions that vary (of those that are not hidden, where there are such). */
export function redrawn(
  ids: readonly (readonly number[])[],
  { hidden }: DataBalance,
  seed: number,
): readonly (readonly number[])[] {
  const random = randomStream(seed)
  const varying = ids[0]!.flatMap((_, p) => (new Set(ids.map((prompt) => prompt[p])).size > 1 ? [p] : []))
  const open = varying.filter((p) => !hidden.includes(p))
  const pool = (open.length > 0 ? open : varying).flatMap((p) => ids.map((prompt) => prompt[p]!))
  return ids.map((prompt) =>
    prompt.map((id, p) => (hidden.includes(p) ? pool[Math.floor(random() * pool.length)]! : id)),
  )
}

/** In nats. */
function entropy(values: readonly (number | string)[]): number {
  return [...countsOf(values).values()].reduce((sum, count) => {
    const share = count / values.length
    return sum - share * Math.log(share)
  }, 0)
}

/** Mutual information in nats, less what as many independent values would seem to share. */
function sharedInformation(a: readonly number[], b: readonly number[]): number {
  const pairs = a.map((x, i) => `${x},${b[i]}`)
  const bias = ((new Set(a).size - 1) * (new Set(b).size - 1)) / (2 * a.length)
  return entropy(a) + entropy(b) - entropy(pairs) - bias
}

function commonest(values: readonly number[]): number {
  return [...countsOf(values)].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0]
}

function countsOf<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
