import { atLeast, atMost, type Check, notTested } from '../shared/checks.ts'
import { largestIndices, rankCorrelation, type Summary } from '../shared/statistics.ts'
import type { Direction, PreparedPair } from './prompt-pair.ts'

/** Below this a normalised value divides by nearly nothing. */
const SMALLEST_DIFFERENCE = 0.1

/** Whether there is anything to restore, and whether positions correspond. */
export function differenceChecks(pairs: readonly PreparedPair[], clean: number, corrupt: number): Check[] {
  const unequal = pairs.filter(({ alignment }) => !alignment.equalLength)
  return [
    atLeast(
      {
        name: 'the corruption lowers the metric',
        claimed: `the clean run's metric is larger than the corrupted run's by at least ${SMALLEST_DIFFERENCE}`,
        why: 'there is nothing to restore otherwise, and normalised values divide by this difference',
      },
      clean - corrupt,
      SMALLEST_DIFFERENCE,
    ),
    atMost(
      {
        name: 'the prompts correspond position by position',
        claimed: 'both prompts of every pair have the same number of tokens',
        why: 'where they do not, only tokens with a counterpart are patched, and those behind an insertion come from another position',
      },
      unequal.length,
      0,
      unequal.length === 0
        ? 'all do'
        : `${unequal.length} of ${pairs.length} do not; the first of them has ${unequal[0]!.clean.ids.length} tokens against ${unequal[0]!.corrupt.ids.length}`,
    ),
  ]
}

const TOP = 5
/** How far a cell's effects in the two directions may lie apart, as a share of the difference between the runs. */
const DIRECTIONS_GAP = 0.25
/** Effects below this part of the difference between the runs, or of the largest effect, are nothing: their order and sign are those of rounding. */
const NOTHING = 1e-3

/** Whether what restores the answer is also what it needs. */
export function directionCheck(
  main: readonly (number | null)[],
  reverse: readonly (number | null)[] | null | 'unequal',
  clean: number,
  corrupt: number,
  direction: Direction,
): Check {
  const claim = {
    name: 'both directions agree',
    claimed: `the ${TOP} top cells of either direction have the same effect in the other, within ${100 * DIRECTIONS_GAP}% of the difference between the runs`,
  }
  if (reverse === 'unequal')
    return notTested(claim, 'the prompts differ in length, so the two directions have different cells')
  if (reverse === null) return notTested(claim, 'only one direction was run')
  const [into, away] = direction === 'clean_into_corrupted' ? [main, reverse] : [reverse, main]
  const cells = into.flatMap((value, i) => (value === null || away[i] == null ? [] : [i]))
  const rounded = (effect: number) => (Math.abs(effect) < NOTHING * Math.abs(clean - corrupt) ? 0 : effect)
  const restored = cells.map((i) => rounded(into[i]! - corrupt))
  const destroyed = cells.map((i) => rounded(clean - away[i]!))
  const moving = [restored, destroyed].map((effects) => effects.filter((effect) => effect !== 0).length)
  if (moving[0] === 0 && moving[1] === 0) return notTested(claim, 'no cell has an effect in either direction')
  const top = new Set([restored, destroyed].flatMap((effects) => largestIndices(effects, TOP)))
  const gap = Math.max(...[...top].map((i) => Math.abs(restored[i]! - destroyed[i]!))) / Math.abs(clean - corrupt)
  return atMost(
    {
      ...claim,
      why: 'what restores the answer need not be needed for it (parallel parts, OR), and what is needed need not be enough (parts that work together, AND)',
    },
    gap,
    DIRECTIONS_GAP,
    moving.includes(0)
      ? `no cell has an effect in one direction, ${Math.max(...moving)} in the other`
      : `the largest difference is ${gap.toFixed(2)} of that between the runs; rank correlation ${rankCorrelation(restored, destroyed).toFixed(2)}`,
  )
}

/** Whether the top cells do the same for all pairs: `changes` of each pair's own unpatched run; `difference` is that between the runs. */
export function pairsCheck({ means, low, high }: Summary, difference: number, count: number): Check {
  const claim = {
    name: 'the top cells hold beyond one pair',
    claimed: `the 95% intervals over pairs of what the ${TOP} top cells change lie on one side of 0`,
  }
  if (low === null || high === null)
    return notTested(claim, `there is ${count} pair; give a list of pairs for intervals`)
  // How far a cell goes at the ends of its interval: a mean of 0 may come of pairs that disagree.
  const reach = means.map((_, i) => Math.max(Math.abs(low[i]!), Math.abs(high[i]!)))
  const least = NOTHING * Math.max(Math.abs(difference), ...reach.filter(Number.isFinite))
  const top = largestIndices(
    means.map((value, i) => (reach[i]! > least ? value : null)),
    TOP,
  )
  if (top.length === 0) return notTested(claim, 'no cell has an effect')
  const unsure = top.filter((i) => low[i]! <= 0 && 0 <= high[i]!).length
  return atMost(
    { ...claim, why: 'an effect that changes sign from pair to pair is about those words, not about the task' },
    unsure,
    0,
    `${unsure} of ${top.length} intervals over ${count} pairs include 0`,
  )
}
