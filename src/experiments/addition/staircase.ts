import type { WorkOptions } from '../../errors/index.ts'
import { permutation, type RandomSource } from '../../random/index.ts'
import type { Question } from '../../train/tasks/addition/categories.ts'
import { predictingPosition, questionPosition } from '../../train/tasks/addition/format.ts'
import { type Adder, meansOver } from './adder.ts'

/** Mean attention of the heads of one layer: [head][query][key] over all positions but the last token's. */
export type LayerAttention = readonly (readonly (readonly number[])[])[]

/** Mean attention patterns over questions, by layer. */
export async function meanAttention(
  adder: Adder,
  questions: readonly Question[],
  options: WorkOptions = {},
): Promise<LayerAttention[]> {
  const { n_layers } = adder.model.config
  const names = Array.from({ length: n_layers }, (_, layer) => `blocks.${layer}.attn.hook_pattern`)
  const means = await meansOver(adder, questions, (hooked) => names.map((name) => hooked.get(name)!), options)
  return means.map(({ shape, data }) => {
    const [heads, queries, keys] = shape as [number, number, number]
    return Array.from({ length: heads }, (_, h) =>
      Array.from({ length: queries }, (_, q) => [
        ...data.subarray((h * queries + q) * keys, (h * queries + q + 1) * keys),
      ]),
    )
  })
}

/**
 * The attention on digit pairs: [head][answer digit][digit pair], both lowest first; each row sums to 1. The pair j is the
 * two tokens D_j and D'_j; the row of A_i is the query that predicts it.
 */
export function pairAttention({ config }: Pick<Adder, 'config'>, attention: LayerAttention): number[][][] {
  return attention.map((pattern) =>
    Array.from({ length: config.digits + 1 }, (_, answer) => {
      const query = pattern[predictingPosition(config, answer)]!
      const mass = Array.from(
        { length: config.digits },
        (_, pair) => query[questionPosition(config, 'first', pair)]! + query[questionPosition(config, 'second', pair)]!,
      )
      const total = mass.reduce((a, b) => a + b, 0)
      return mass.map((one) => one / total)
    }),
  )
}

/** How well heads divide the digit pairs n, n-1, n-2 of each answer digit among them. */
export interface Staircase {
  /** The heads matched to pairs n, n-1, n-2, by number. */
  readonly heads: readonly number[]
  /** The mean attention on the matched pairs. */
  readonly score: number
  /** The share of shuffles, the observed order counted in, whose best match is as good. */
  readonly pValue: number
  /** The 95th percentile of the shuffled scores. */
  readonly null95: number
}

/**
 * Matches heads one to one to the digit pairs n, n-1, n-2 that A_n needs (itself, its carry, and a carry through a sum of
 * 9), all steps alike, and scores the attention there. The null shuffles the pairs of every step, for all heads alike, and matches anew.
 */
export function matchStaircase(
  pairs: readonly (readonly (readonly number[])[])[],
  nulls: number,
  random: RandomSource,
): Staircase {
  const observed = bestMatch(pairs)
  const shuffled = Array.from({ length: nulls }, () => {
    const orders = pairs[0]!.map((row) => permutation(row.length, random))
    return bestMatch(pairs.map((steps) => steps.map((row, step) => Array.from(orders[step]!, (from) => row[from]!))))
      .score
  }).sort((a, b) => a - b)
  const asGood = shuffled.filter((score) => score >= observed.score).length
  return { ...observed, pValue: (1 + asGood) / (1 + nulls), null95: shuffled[Math.floor(0.95 * nulls)]! }
}

const OFFSETS = 3

function bestMatch(pairs: readonly (readonly (readonly number[])[])[]): Pick<Staircase, 'heads' | 'score'> {
  const masses = pairs.map((steps) =>
    Array.from({ length: OFFSETS }, (_, offset) => {
      const there = steps.flatMap((row, answer) => row[answer - offset] ?? [])
      return there.reduce((a, b) => a + b, 0) / there.length
    }),
  )
  const used = Math.min(OFFSETS, pairs.length)
  let best: Pick<Staircase, 'heads' | 'score'> = { heads: [], score: Number.NEGATIVE_INFINITY }
  const place = (heads: readonly number[], sum: number): void => {
    if (heads.length === used) {
      if (sum / used > best.score) best = { heads, score: sum / used }
      return
    }
    masses.forEach((mass, head) => {
      if (!heads.includes(head)) place([...heads, head], sum + mass[heads.length]!)
    })
  }
  place([], 0)
  return best
}
