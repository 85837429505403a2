import { randomStream } from '../../lab/sampling.ts'

/** What the data hide: positions whose tokens hardly vary though they could, and pairs of positions that vary together. */
export interface DataBalance {
  /** Positions that hardly vary, whose token is one that varies elsewhere. */
  readonly constant: readonly number[]
  /** Pairs of positions that tell of each other, with the share of the less varied one's information that they share. */
  readonly together: readonly { readonly positions: readonly [number, number]; readonly share: number }[]
  /** Positions that must be drawn anew for all to vary by themselves. */
  readonly hidden: readonly number[]
}

/** A position that could vary has less than this share of the entropy that tokens of varying positions have: it hardly varies. */
const HARDLY = 0.5
/** Two positions that share this much of their information cannot be told apart by the data. */
const TOGETHER = 0.5

/** Looks for inputs that the data do not vary, or not by themselves. */
export function dataBalance(ids: readonly (readonly number[])[]): DataBalance {
  const length = ids[0]!.length
  const columns = Array.from({ length }, (_, p) => ids.map((prompt) => prompt[p]!))
  const entropies = columns.map((column) => entropy(column))
  const varying = columns.flatMap((column, p) => (new Set(column).size > 1 ? [p] : []))
  const pooled = entropy(varying.flatMap((p) => columns[p]!))
  const constant = columns.flatMap((column, p) => {
    const elsewhere = new Set(varying.filter((q) => q !== p).flatMap((q) => columns[q]!))
    return entropies[p]! < HARDLY * pooled && elsewhere.has(commonest(column)) ? [p] : []
  })
  const together = varying.flatMap((p, i) =>
    varying.slice(i + 1).flatMap((q) => {
      const share = sharedInformation(columns[p]!, columns[q]!) / Math.min(entropies[p]!, entropies[q]!)
      return share >= TOGETHER ? [{ positions: [p, q] as const, share }] : []
    }),
  )
  const hidden = [...new Set([...constant, ...together.map(({ positions }) => positions[1])])].sort((a, b) => a - b)
  return { constant, together, hidden }
}

/** The data with hidden positions drawn anew, each by itself, from the tokens of all positions that vary. */
export function redrawn(
  ids: readonly (readonly number[])[],
  { hidden }: DataBalance,
  seed: number,
): readonly (readonly number[])[] {
  const random = randomStream(seed)
  const varying = ids[0]!.flatMap((_, p) => (new Set(ids.map((prompt) => prompt[p])).size > 1 ? [p] : []))
  const pool = varying.flatMap((p) => ids.map((prompt) => prompt[p]!))
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
