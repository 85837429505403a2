import { atLeast, atMost, type Check, notTested } from '../shared/checks.ts'
import { rankCorrelation } from '../shared/statistics.ts'
import type { EdgeScores } from './edge-gradients.ts'

/** An edge that was patched for real, on the first pair. */
export interface ExactEdge {
  readonly sender: string
  readonly receiver: string
  readonly estimate: number
  readonly effect: number
}

/** How many of the largest edges, and how many others, are patched. */
export const TOP_EDGES = 5
export const RANDOM_EDGES = 5

/** Rank correlation with the exact effects below which the estimates do not order the edges. */
const RANKS_AGREE = 0.7
/** The part of the difference between the two runs by which an estimate may miss an exact effect, or their sum the whole. */
const SIZE_GAP = 0.25
/** Effects below this part of the difference are nothing: their order is that of rounding. */
const NOTHING = 1e-3

/** Whether exact path patches of some edges are as estimated. */
export function exactChecks(exact: readonly ExactEdge[], difference: number): Check[] {
  const size = Math.abs(difference)
  const ranks = {
    name: 'estimates order the edges as exact patches do',
    claimed: `rank correlation of at least ${RANKS_AGREE} over the ${TOP_EDGES} top edges and ${RANDOM_EDGES} random ones`,
  }
  const sizes = {
    name: 'estimates are as large as exact patches',
    claimed: `none of those edges is misjudged by more than ${SIZE_GAP} of the difference between the two runs`,
  }
  const rounded = (x: number) => (Math.abs(x) < NOTHING * size ? 0 : x)
  const errors = exact.map(({ estimate, effect }) => Math.abs(estimate - effect) / size)
  const worst = errors.indexOf(Math.max(...errors))
  const shown = exact[worst]
  const differ = new Set(exact.map(({ effect }) => rounded(effect))).size
  return [
    exact.length < 3 || differ < 2
      ? notTested(ranks, `${exact.length} edges were patched, with ${differ} different effects: too few to rank`)
      : atLeast(
          { ...ranks, why: 'where the metric bends, the tangent misleads: path-patch the edges that matter' },
          rankCorrelation(
            exact.map(({ estimate }) => rounded(estimate)),
            exact.map(({ effect }) => rounded(effect)),
          ),
          RANKS_AGREE,
        ),
    shown === undefined
      ? notTested(sizes, 'no edge was patched')
      : atMost(
          { ...sizes, why: 'an edge of the wrong size or sign is a wrong edge, even among edges in the right order' },
          errors[worst]!,
          SIZE_GAP,
          `${shown.sender}->${shown.receiver}: estimated ${shown.estimate.toFixed(3)}, patched ${shown.effect.toFixed(3)}`,
        ),
  ]
}

/** Whether what leaves the embedding adds up to the difference between the runs. */
export function completenessCheck(
  { route, sourceMetric, targetMetric }: EdgeScores,
  fromEmbedding: number,
  allPositions: boolean,
): Check {
  const claim = {
    name: 'the edges from the embedding add up to the difference',
    claimed: `their sum is the change from one run to the other, within ${SIZE_GAP * 100}%`,
  }
  if (!route.equalLength)
    return notTested(claim, 'the prompts differ in length, so that they differ in more than embeddings')
  if (!allPositions) return notTested(claim, 'only some positions were asked for')
  const whole = sourceMetric - targetMetric
  return atMost(
    {
      ...claim,
      why: 'the gap is what curvature hides: effects that no sum of first-order terms at these points can show; more steps narrow it where the function is smooth',
    },
    Math.abs(fromEmbedding - whole) / Math.abs(whole),
    SIZE_GAP,
    `estimated ${fromEmbedding.toFixed(3)}, measured ${whole.toFixed(3)}`,
  )
}
