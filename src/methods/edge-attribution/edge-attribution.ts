/**
 * Edge attribution: path patching of all edges at once, to first order.
 *
 * Runs: the source prompt forwards, the target prompt forwards and backwards. The effect of patching the edge from a sender to a
 * receiver is estimated by
 *
 *     score = sum over positions of (what the sender writes in the source run - in the target run)
 *                                   . d metric / d (the residual stream as the receiver reads it)
 *
 * `eap` takes the gradient at the target run; `eap_ig` averages it over `steps` runs between both, whose token embeddings are
 * mixed (integrated gradients), all in one batch.
 *
 * Papers: Syed et al. 2310.10348 (EAP); Hanna et al. 2403.17806 (EAP-IG; theirs is a right Riemann sum, this one trapezoidal).
 *
 * How it misleads: it is a tangent, or a mean of some. Where the metric bends between the two runs (saturated attention, a
 * closed ReLU, an AND or XOR of several senders) a gradient is zero or wrong in size and sign. The checks path-patch the top edges and
 * some random ones for real, and compare the sum of what leaves the embedding with the effect of the whole corruption.
 */
import type { Model } from '../../lab/index.ts'
import { differenceChecks, pairsCheck } from '../patching/patch-checks.ts'
import { type Nested, nest } from '../patching/patch-grid.ts'
import {
  type Direction,
  type MeasuredPair,
  type PreparedPair,
  type PromptPair,
  preparePair,
} from '../patching/prompt-pair.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AnswerMetricName, MetricName } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { indicesWithin } from '../shared/selection.ts'
import { mean, summarizeRows } from '../shared/statistics.ts'
import { completenessCheck, type ExactEdge, exactChecks } from './edge-attribution-checks.ts'
import { type EdgeScores, edgeScores } from './edge-gradients.ts'
import { allReceivers, allSenders } from './edge-parts.ts'
import { patchSampled } from './exact-edges.ts'

/** Where gradients are taken: `eap` at the target run, `eap_ig` between both runs. */
export const EDGE_ESTIMATES = ['eap', 'eap_ig'] as const
/** One of `EDGE_ESTIMATES`. */
export type EdgeEstimate = (typeof EDGE_ESTIMATES)[number]

/** How edges are estimated, in which direction, and what is measured. */
export interface EdgeAttributionOptions extends MethodOptions {
  /** `eap_ig` unless said. */
  readonly estimate?: EdgeEstimate | undefined
  /** Of `eap_ig`: how many runs the gradient is averaged over, both ends included; 5 unless said, at least 2. */
  readonly steps?: number | undefined
  /** `clean_into_corrupted` unless said. */
  readonly direction?: Direction
  /** `logit_difference` where there is a wrong token, else `logit`, unless said. */
  readonly metric?: AnswerMetricName
  /** Positions at which senders pass something on; all unless said. Negative ones count from the end. */
  readonly positions?: readonly number[] | undefined
}

/** What edge attribution gives: estimates of all edges, and exact effects of some. */
export interface EdgeAttributionValues {
  readonly metric: MetricName
  readonly direction: Direction
  readonly estimate: EdgeEstimate
  /** Gradients that were taken per pair. */
  readonly steps: number
  /** The rows: `embed`, `L0H1`, `L0MLP`. */
  readonly senders: readonly string[]
  /** The columns: `L1H0.q`, `L1MLP`, `logits`. */
  readonly receivers: readonly string[]
  /** The estimated change of the metric, [sender][receiver], means over pairs; null where the sender does not reach the receiver. */
  readonly values: Nested
  /** 95% bootstrap intervals of `values`; null for a single pair. */
  readonly low: Nested | null
  readonly high: Nested | null
  /** The metric of the clean and of the corrupted run, means over pairs. */
  readonly clean: number
  readonly corrupt: number
  /** The top edges of the first pair and some others, path-patched. */
  readonly exact: readonly ExactEdge[]
  readonly pairs: readonly (MeasuredPair & {
    readonly values: Nested
  })[]
}

const DEFAULT_STEPS = 5

/** Estimates the effect of patching every edge of every pair. Throws when nothing of the prompts corresponds. */
export async function edgeAttribution(
  model: Model,
  pairs: readonly PromptPair[],
  options: EdgeAttributionOptions = {},
): Promise<MethodResult<EdgeAttributionValues>> {
  const { direction = 'clean_into_corrupted', estimate = 'eap_ig', seed = 0 } = options
  const steps = estimate === 'eap' ? 1 : Math.max(2, options.steps ?? DEFAULT_STEPS)
  const [senders, receivers] = [allSenders(model.config), allReceivers(model.config)]
  const sizes = [senders.length, receivers.length]
  const meter = new Meter(model)
  const prepared = pairs.map((pair) => preparePair(model, pair, options.metric, options.prependBos))
  const work = async (pair: PreparedPair): Promise<Scored> => {
    const length = pair[direction === 'clean_into_corrupted' ? 'corrupt' : 'clean'].ids.length
    const positions = options.positions && indicesWithin(options.positions, length, 'Position')
    const scored = await edgeScores(model, pair, direction, { ...options, steps, positions }, meter)
    const { sourceMetric, targetMetric } = scored
    const [clean, corrupt] =
      direction === 'clean_into_corrupted' ? [sourceMetric, targetMetric] : [targetMetric, sourceMetric]
    return { pair, ...scored, clean, corrupt, positions }
  }
  const provenance = model.provenance({ prompts: prepared.flatMap((pair) => [pair.clean, pair.corrupt]), seed })
  const assemble = (
    results: readonly Scored[],
    standing: Standing,
    exact: readonly ExactEdge[] = [],
  ): MethodResult<EdgeAttributionValues> => {
    const { means, low, high } = summarizeScores(results, seed)
    const values: EdgeAttributionValues = {
      metric: prepared[0]!.asked.name,
      direction,
      estimate,
      steps,
      senders: senders.map(({ name }) => name),
      receivers: receivers.map(({ name }) => name),
      values: nest(means, sizes),
      low: low && nest(low, sizes),
      high: high && nest(high, sizes),
      clean: mean(results.map(({ clean }) => clean)),
      corrupt: mean(results.map(({ corrupt }) => corrupt)),
      exact,
      pairs: results.map(({ pair, clean, corrupt, scores }) => ({
        clean: pair.clean,
        corrupt: pair.corrupt,
        answer: pair.asked.answer,
        wrong: pair.asked.wrong,
        cleanMetric: clean,
        corruptMetric: corrupt,
        values: nest(scores, sizes),
      })),
    }
    return { values, cost: meter.cost, edits: meter.edits, provenance, ...standing }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(prepared, 'pairs', options, { work, onPartial })
  onPartial?.(results)
  const [first] = results as [Scored]
  const exact = await unlessCancelled(options.signal, () => patchSampled(model, first, direction, options, meter))
  const summary = summarizeScores(results, seed)
  const fromEmbedding = first.scores.slice(0, receivers.length).reduce<number>((sum, x) => sum + (x ?? 0), 0)
  const [clean, corrupt] = [mean(results.map((one) => one.clean)), mean(results.map((one) => one.corrupt))]
  const checks = [
    ...differenceChecks(prepared, clean, corrupt),
    ...(exact ? exactChecks(exact, first.clean - first.corrupt) : CANCELLED_CHECKS),
    completenessCheck(first, fromEmbedding, options.positions === undefined),
    pairsCheck(summary, clean - corrupt, results.length),
  ]
  return assemble(results, { checks, complete: complete && exact !== null }, exact ?? [])
}

interface Scored extends EdgeScores {
  readonly pair: PreparedPair
  readonly clean: number
  readonly corrupt: number
  readonly positions: readonly number[] | undefined
}

const summarizeScores = (results: readonly Scored[], seed: number) =>
  summarizeRows(
    results.map(({ scores }) => scores),
    seed,
  )
