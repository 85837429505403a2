/**
 * Which heads do a job? A score by itself does not say: on 25 tokens that come again, a head that always looks 24 tokens back
 * scores as an induction head. So every score is held against a null, example by example:
 *
 * - jobs of content (duplicate, induction): the attention on the same pairs of positions when the tokens are shuffled. What is
 *   beyond it is there because of the tokens; whatever looks at a fixed place or a fixed way back has nothing beyond it.
 * - jobs of position (previous, current, first): attention that is spread evenly over all that the query sees, against what
 *   the head gives with the tokens in order and shuffled, whichever is less.
 *
 * A head is found to do a job where the 95 % interval of score less null, over examples, lies at `FOUND_BEYOND_NULL` or above.
 */
import { mean } from '../shared/statistics.ts'
import type { DetectorScores } from './head-detectors.ts'
import { CONTENT_PATTERNS, HEAD_PATTERNS, type HeadPattern } from './head-patterns.ts'

/** Share of a head's attention, beyond the null, from which on it is said to do a job. */
export const FOUND_BEYOND_NULL = 0.3

/** A head and a job, with how far its score is beyond the null. */
export interface HeadJob {
  readonly job: HeadPattern
  readonly layer: number
  readonly head: number
  /** The share of attention as papers define it. */
  readonly score: number
  /** What of it the null does not explain, with the ends of its 95 % interval over examples; null for a single example. */
  readonly beyond: number
  readonly low: number | null
  readonly high: number | null
}

/** Whether a job depends on which tokens stand where. */
export const isContentJob = (job: HeadPattern): boolean => CONTENT_PATTERNS.some((name) => name === job)

/** One example's scores less their null, [head]; `own` and `shuffled` are scores on the same pairs of `length` positions. */
export function beyondNull(
  job: HeadPattern,
  own: readonly number[],
  shuffled: readonly number[],
  length: number,
): number[] {
  if (isContentJob(job)) return own.map((score, i) => score - shuffled[i]!)
  const even = evenAttention(length)
  return own.map((score, i) => Math.min(score, shuffled[i]!) - even)
}

/** What a head that looks at all tokens alike gives to one of them, mean over the queries after the first. */
function evenAttention(length: number): number {
  return mean(Array.from({ length: length - 1 }, (_, i) => 1 / (i + 2)))
}

/** All heads by falling share beyond the null; a detector without a null, or without a pair to score, has none. */
export function byShareBeyond(job: HeadPattern, { scores, beyond }: DetectorScores): HeadJob[] {
  const heads = scores.flatMap((row, layer) =>
    row.flatMap((score, head) => {
      const at = (grid: DetectorScores['low']) => (grid === null ? null : grid[layer]![head]!)
      const own = at(beyond?.scores ?? null)
      if (score === null || own === null) return []
      return [{ job, layer, head, score, beyond: own, low: at(beyond!.low), high: at(beyond!.high) }]
    }),
  )
  return heads.sort((a, b) => b.beyond - a.beyond)
}

/** The heads that do a job, job by job. */
export function foundHeads(detectors: Readonly<Record<HeadPattern, DetectorScores>>): HeadJob[] {
  return HEAD_PATTERNS.flatMap((job) =>
    byShareBeyond(job, detectors[job]).filter(({ beyond, low }) => (low ?? beyond) >= FOUND_BEYOND_NULL),
  )
}
