/**
 * Path patching: which connection between two parts carries the difference between two prompts?
 *
 * Runs, for a sender (the embedding, a head, an MLP) and a receiver (a head's query, key or value, an MLP, the logits):
 *
 *     1. both prompts, for what every part holds;
 *     2. the target prompt with everything held as it was but the sender, which holds what it did in the source: the receiver's
 *        input is read off behind its norm, which is computed anew (named mediators are not held: they react to the sender);
 *     3. the target prompt once more, free, with the receiver reading that input.
 *
 *     effect = metric of run 3 - metric of the target run;   share = effect / (metric of the source run - of the target run)
 *
 * Step 2 is one batch with a row per sender; step 3 a sweep with a row per edge.
 *
 * Papers: Wang et al. 2211.00593 (their attention heads are held and MLPs move: `mediators: ['mlps']`);
 * Goldowsky-Dill et al. 2304.05969.
 *
 * How it misleads: one edge at a time, so what two senders do only together (AND) or each could do alone (OR) has no edge, or too
 * many: the sums are compared with the receiver's whole input, and both directions are run. The effect of an edge into a receiver is
 * that of all that the receiver goes on to do with it. One pair of prompts tells about that pair.
 */
import type { Model } from '../../lab/index.ts'
import { edgeRuns } from '../edge-attribution/edge-inputs.ts'
import { differenceChecks, directionCheck, pairsCheck } from '../patching/patch-checks.ts'
import { type Nested, nest } from '../patching/patch-grid.ts'
import {
  type Direction,
  type MeasuredPair,
  type PreparedPair,
  type PromptPair,
  preparePair,
  routeOf,
} from '../patching/prompt-pair.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AnswerMetricName, MetricName } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean, type Summary, summarizeRows } from '../shared/statistics.ts'
import { patchSeparately, rowName, type SeparateRun, separateCheck, sumCheck } from './path-patch-checks.ts'
import { comparableEdges, type EdgeOptions, type EdgePlan, edgePlan } from './path-patch-plan.ts'
import { type PatchedEdges, patchEdges } from './path-patch-sweep.ts'

/** Which edges are patched, in which direction, and what is measured. */
export interface PathPatchOptions extends MethodOptions, EdgeOptions {
  /** The direction of `effects`; `clean_into_corrupted` unless said. */
  readonly direction?: Direction
  /** Whether the other direction is run too; true unless said. */
  readonly bothDirections?: boolean
  /** `logit_difference` where there is a wrong token, else `logit`, unless said. */
  readonly metric?: AnswerMetricName
}

/** All edges in one direction. */
export interface PathPatchSweep {
  readonly direction: Direction
  /** The change of the metric, [sender][receiver], means over pairs; null where the sender does not reach the receiver, or not done. */
  readonly effects: Nested
  /** The same as shares of the difference between the two runs: 0 nothing, 1 all of it. */
  readonly shares: Nested
  /** 95% bootstrap intervals of `effects`; null for a single pair. */
  readonly low: Nested | null
  readonly high: Nested | null
  /** The change when all that a receiver reads comes from the other run, means over pairs. */
  readonly whole: readonly (number | null)[]
}

/** What path patching gives: the direction asked for, the other one, and every pair. */
export interface PathPatchValues extends PathPatchSweep {
  readonly metric: MetricName
  /** The rows: `embed`, `L0H1`, `L0MLP`, by position `L0H1@3`. */
  readonly senders: readonly string[]
  /** The columns: `L1H0.q`, `L1MLP`, `logits`. */
  readonly receivers: readonly string[]
  readonly mediators: readonly string[]
  /** The metric of the clean and of the corrupted run, means over pairs. */
  readonly clean: number
  readonly corrupt: number
  readonly reverse: PathPatchSweep | null
  /** The largest edge of the first pair once more, in runs of its own. */
  readonly separate: SeparateRun | null
  readonly pairs: readonly (MeasuredPair & {
    /** Of the main direction. */
    readonly effects: Nested
  })[]
}

/** Patches every edge of every pair. Throws for parts that the model does not have, and when nothing of the prompts corresponds. */
export async function pathPatching(
  model: Model,
  pairs: readonly PromptPair[],
  options: PathPatchOptions = {},
): Promise<MethodResult<PathPatchValues>> {
  const { direction = 'clean_into_corrupted', bothDirections = true, seed = 0 } = options
  const other = direction === 'clean_into_corrupted' ? 'corrupted_into_clean' : 'clean_into_corrupted'
  const meter = new Meter(model)
  const prepared = pairs.map((pair) => preparePair(model, pair, options.metric, options.prependBos))
  comparableEdges(prepared, options)
  const planOf = (pair: PreparedPair, way: Direction) => edgePlan(model, routeOf(pair, way).target.ids.length, options)
  const plan = planOf(prepared[0]!, direction)
  const work = async (
    pair: PreparedPair,
    _: number,
    onPart: ((part: BothWays) => void) | undefined,
  ): Promise<BothWays> => {
    const patch = async (way: Direction, partOf: (part: PatchedEdges) => BothWays) => {
      const own = planOf(pair, way)
      const runs = await edgeRuns(model, pair, way, own.receivers, options, meter)
      return patchEdges(model, runs, own, options, meter, onPart && ((part) => onPart(partOf(part))))
    }
    const main = await patch(direction, (part) => ({ main: part, reverse: null }))
    if (!bothDirections || !main.complete) return { main, reverse: null }
    const back = () => patch(other, (part) => ({ main, reverse: part }))
    return { main, reverse: await unlessCancelled(options.signal, back) }
  }
  const provenance = model.provenance({ prompts: prepared.flatMap((pair) => [pair.clean, pair.corrupt]), seed })
  const assemble = (
    results: readonly BothWays[],
    standing: Standing,
    separate: SeparateRun | null = null,
  ): MethodResult<PathPatchValues> => {
    const { clean, corrupt, main, reverse } = summarizeWays(results, plan, seed)
    const values: PathPatchValues = {
      metric: prepared[0]!.asked.name,
      senders: plan.rows.map(rowName),
      receivers: plan.columns.map(({ name }) => name),
      mediators: plan.mediators.map(({ name }) => name),
      ...main.sweep,
      clean,
      corrupt,
      reverse: reverse?.sweep ?? null,
      separate,
      pairs: results.map(({ main: { runs, effects } }) => ({
        clean: runs.pair.clean,
        corrupt: runs.pair.corrupt,
        answer: runs.pair.asked.answer,
        wrong: runs.pair.asked.wrong,
        cleanMetric: metricsOf(runs).clean,
        corruptMetric: metricsOf(runs).corrupt,
        effects: nest(effects, sizesOf(plan)),
      })),
    }
    return { values, cost: meter.cost, edits: meter.edits, provenance, ...standing }
  }
  const { results, complete } = await keepDone(prepared, 'pairs', options, {
    work,
    isWhole: ({ main, reverse }) => main.complete && (reverse?.complete ?? !bothDirections),
    onPartial: partialResults(options, assemble),
  })
  const separate = complete
    ? await unlessCancelled(options.signal, async () => ({
        found: await patchSeparately(model, results[0]!.main, plan, options, meter),
      }))
    : null
  const { clean, corrupt, main, reverse } = summarizeWays(results, plan, seed)
  const equalLength = prepared.every(({ alignment }) => alignment.equalLength)
  const difference = clean - corrupt
  // As metric values, so that signs mean the same as in activation patching.
  const from = (way: Direction) => (way === 'clean_into_corrupted' ? corrupt : clean)
  const raw = ({ means }: Summary, way: Direction) => means.map((x) => (x === null ? null : x + from(way)))
  const back = options.byPosition && !equalLength ? 'unequal' : reverse ? raw(reverse.summary, other) : null
  const whyNot = plan.isEverything
    ? equalLength
      ? null
      : 'the prompts differ in length, so that whole inputs do not correspond'
    : 'not all senders are patched alone at all positions'
  const checks = [
    ...differenceChecks(prepared, clean, corrupt),
    ...(separate ? [separateCheck(separate.found, metricsOf(results[0]!.main.runs).difference)] : CANCELLED_CHECKS),
    sumCheck(plan.columns, main.summary.means, main.sweep.whole, difference, whyNot),
    directionCheck(raw(main.summary, direction), back, clean, corrupt, direction),
    pairsCheck(main.summary, difference, results.length),
  ]
  return assemble(results, { checks, complete: complete && separate !== null }, separate?.found ?? null)
}

/** What a pair gave in both directions. */
interface BothWays {
  readonly main: PatchedEdges
  readonly reverse: PatchedEdges | null
}

const sizesOf = ({ rows, columns }: EdgePlan): number[] => [rows.length, columns.length]

function metricsOf({ direction, sourceMetric, targetMetric }: PatchedEdges['runs']) {
  const [clean, corrupt] =
    direction === 'clean_into_corrupted' ? [sourceMetric, targetMetric] : [targetMetric, sourceMetric]
  return { clean, corrupt, difference: clean - corrupt }
}

/** The means over pairs of both directions. */
function summarizeWays(results: readonly BothWays[], plan: EdgePlan, seed: number) {
  const metrics = results.map(({ main }) => metricsOf(main.runs))
  const [clean, corrupt] = [mean(metrics.map((one) => one.clean)), mean(metrics.map((one) => one.corrupt))]
  const summary = (ways: readonly PatchedEdges[]) => summarize(ways, plan, clean - corrupt, seed)
  const reversed = results.flatMap(({ reverse }) => (reverse ? [reverse] : []))
  return {
    clean,
    corrupt,
    main: summary(results.map(({ main }) => main)),
    reverse: reversed.length > 0 ? summary(reversed) : null,
  }
}

/** Means over pairs, with intervals where there are several. */
function summarize(
  ways: readonly PatchedEdges[],
  plan: EdgePlan,
  difference: number,
  seed: number,
): { readonly sweep: PathPatchSweep; readonly summary: Summary } {
  const summary = summarizeRows(
    ways.map(({ effects }) => effects),
    seed,
  )
  const { means, low, high } = summary
  const { direction } = ways[0]!.runs
  // Towards the source run: up into the corrupted one, down into the clean one.
  const towards = direction === 'clean_into_corrupted' ? difference : -difference
  const sizes = sizesOf(plan)
  return {
    summary,
    sweep: {
      direction,
      effects: nest(means, sizes),
      shares: nest(
        // No effect is 0, in whichever direction: JSON knows no -0.
        means.map((effect) => (effect === null ? null : effect === 0 ? 0 : effect / towards)),
        sizes,
      ),
      low: low && nest(low, sizes),
      high: high && nest(high, sizes),
      whole: summarizeRows(
        ways.map(({ whole }) => whole),
        seed,
      ).means,
    },
  }
}
