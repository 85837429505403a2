/**
 * Attribution patching: activation patching of everything at once, to first order.
 *
 * Runs: the clean prompt forwards, the corrupted prompt forwards and backwards. The effect of patching a cell is estimated by
 * its first-order term at the corrupted run:
 *
 *     effect ~ sum over the cell of (clean activation - corrupted activation) * d metric / d activation
 *
 * (and the other way round for `corrupted_into_clean`). Two forward passes and one backward pass instead of one run per cell.
 *
 * Papers: Nanda 2023, "Attribution Patching: Activation Patching At Industrial Scale"; Syed et al. 2310.10348;
 * Kramar et al. 2403.00745 (AtP*: where it fails and what helps).
 *
 * How it misleads: it is a tangent. Where the metric bends between the two runs (saturated attention, the residual stream of
 * early layers, where the whole difference flows) the estimate may have the wrong size or sign. The checks patch the top cells
 * and some random ones for real, and compare the estimated with the true effect of the whole corruption.
 */
import type { Edit, Model, RunOptions, RunOutput } from '../../lab/index.ts'
import { type Activation, type ArrayValue, ofPrompt } from '../../lab/index.ts'
import { atLeast, atMost, type Check, notTested } from '../shared/checks.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AnswerMetricName, MetricName } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { largestIndices, mean, rankCorrelation, shuffledIndices, summarizeRows } from '../shared/statistics.ts'
import { sweep } from '../shared/sweep.ts'
import { type Cell, type CellOptions, cellGrid, type Nested, nest, type PatchBy, type PatchWhat } from './patch-grid.ts'
import { comparablePairs, sweepAxes } from './patch-summary.ts'
import {
  type Direction,
  type MeasuredPair,
  type PreparedPair,
  type PromptPair,
  patchEdit,
  patchedPositions,
  preparePair,
  type Route,
  routeOf,
  sourceValues,
} from './prompt-pair.ts'

/** Which cells are estimated, in which direction, and what is measured. */
export interface AttributionPatchOptions extends MethodOptions, CellOptions {
  /** `clean_into_corrupted` unless said. */
  readonly direction?: Direction
  /** `logit_difference` where there is a wrong token, else `logit`, unless said. */
  readonly metric?: AnswerMetricName
}

/** What attribution patching gives: estimates of all cells, and exact effects of some. */
export interface AttributionPatchValues {
  readonly metric: MetricName
  readonly what: PatchWhat
  readonly by: PatchBy
  readonly direction: Direction
  /** The estimated change of the metric, nested as `axes` says, means over pairs; null where no position corresponds. */
  readonly values: Nested
  /** 95% bootstrap intervals of `values`; null for a single pair. */
  readonly low: Nested | null
  readonly high: Nested | null
  readonly axes: Readonly<Record<string, readonly (number | string)[]>>
  readonly positions: readonly number[]
  /** The metric of the clean and of the corrupted run, means over pairs. */
  readonly clean: number
  readonly corrupt: number
  /** Cells of the first pair that were patched for real, by index into the flattened `values`. */
  readonly exact: readonly { readonly cell: number; readonly estimate: number; readonly effect: number }[]
  readonly pairs: readonly (MeasuredPair & {
    readonly values: Nested
  })[]
}

/** Estimates the effect of patching every cell of every pair. Throws as `activationPatching` does. */
export async function attributionPatching(
  model: Model,
  pairs: readonly PromptPair[],
  options: AttributionPatchOptions,
): Promise<MethodResult<AttributionPatchValues>> {
  const { direction = 'clean_into_corrupted', seed = 0 } = options
  const meter = new Meter(model)
  const prepared = pairs.map((pair) => preparePair(model, pair, options.metric, options.prependBos))
  comparablePairs(model, prepared, options)
  const work = async (pair: PreparedPair) => ({
    pair,
    ...(await estimateOneWay(model, pair, direction, options, meter)),
  })
  const assemble = (
    results: readonly Estimated[],
    standing: Standing,
    exact: AttributionPatchValues['exact'] = [],
  ): MethodResult<AttributionPatchValues> => {
    const { grid } = results[0]!
    const { means, low, high } = summarizeRows(
      results.map(({ estimates }) => estimates),
      seed,
    )
    const values: AttributionPatchValues = {
      metric: prepared[0]!.asked.name,
      what: options.what,
      by: grid.by,
      direction,
      values: nest(means, grid.sizes),
      low: low && nest(low, grid.sizes),
      high: high && nest(high, grid.sizes),
      axes: sweepAxes(
        grid,
        results.map(({ route }) => route.target),
      ),
      positions: grid.positions,
      clean: mean(results.map(({ clean }) => clean)),
      corrupt: mean(results.map(({ corrupt }) => corrupt)),
      exact,
      pairs: results.map(({ pair, clean, corrupt, estimates }) => ({
        clean: pair.clean,
        corrupt: pair.corrupt,
        answer: pair.asked.answer,
        wrong: pair.asked.wrong,
        cleanMetric: clean,
        corruptMetric: corrupt,
        values: nest(estimates, grid.sizes),
      })),
    }
    const provenance = model.provenance({ prompts: prepared.flatMap((pair) => [pair.clean, pair.corrupt]), seed })
    return { values, cost: meter.cost, edits: meter.edits, provenance, ...standing }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(prepared, 'pairs', options, { work, onPartial })
  onPartial?.(results)
  const [first] = results as [Estimated]
  const exact = await unlessCancelled(options.signal, () => patchSome(model, first, options, meter))
  return assemble(
    results,
    {
      checks: [...(exact ? [rankCheck(exact)] : CANCELLED_CHECKS), completenessCheck(first, first.route)],
      complete: complete && exact !== null,
    },
    exact ?? [],
  )
}

type Estimated = Awaited<ReturnType<typeof estimateOneWay>> & { readonly pair: PreparedPair }

const FIRST_STREAM = 'blocks.0.hook_resid_pre'

/** First-order estimates of every cell of one pair, and of patching the whole first residual stream. */
async function estimateOneWay(
  model: Model,
  pair: PreparedPair,
  direction: Direction,
  { edits, signal, ...options }: AttributionPatchOptions,
  meter: Meter,
) {
  const route = routeOf(pair, direction)
  const grid = cellGrid(model.config, route.target.ids.length, options)
  const { metric } = pair.asked
  const hooks = [...new Set([FIRST_STREAM, ...grid.hooks])]
  const { source, target, slope } = await runBoth(route, hooks, { metric, edits, signal }, meter)
  const terms = new Map(
    hooks.map((hook) => [
      hook,
      {
        source: sourceValues(source.captures[hook]!, route, source.prompt),
        products: firstOrder(
          sourceValues(source.captures[hook]!, route, source.prompt),
          ofPrompt(target.captures[hook]!, target.prompt),
          ofPrompt(target.gradients[hook] as Activation, target.prompt),
          slope,
        ),
      },
    ]),
  )
  const estimate = (cell: Cell) => cellSum(cell, route, terms.get(cell.hook)!.products)
  const [from, into] = [source.metric![source.prompt]!, target.metric![target.prompt]!]
  return {
    route,
    grid,
    clean: direction === 'clean_into_corrupted' ? from : into,
    corrupt: direction === 'clean_into_corrupted' ? into : from,
    estimates: grid.cells.map(estimate),
    whole: { estimate: estimate({ hook: FIRST_STREAM })!, effect: from - into },
    values: new Map([...terms].map(([hook, { source }]) => [hook, source])),
  }
}

/** Below this many tokens a run takes the time of reading the weights, so that two prompts together take that of one. */
const FEW_TOKENS = 128

/** One prompt's part of a run. */
type PartOfRun = RunOutput & { readonly prompt: number }

/**
 * The source's activations, and the target's with their gradients; `slope` makes the target's own gradient of what the
 * run gives. Short prompts of one length share a run, whose gradient is that of the mean of both metrics: half of each.
 */
async function runBoth(
  { source, target }: Route,
  hooks: readonly string[],
  { edits, ...asked }: Pick<RunOptions, 'metric' | 'edits' | 'signal'>,
  meter: Meter,
): Promise<{ source: PartOfRun; target: PartOfRun; slope: number }> {
  const [a, b] = [source.ids, target.ids]
  const options = { ...asked, edits, capture: hooks }
  // Edits may take their values from the prompts of their own run.
  if (edits === undefined && a.length === b.length && 2 * a.length <= FEW_TOKENS) {
    const both = await meter.run([a, b], { ...options, grad: hooks })
    return { source: { ...both, prompt: 0 }, target: { ...both, prompt: 1 }, slope: 2 }
  }
  const from = await meter.run([a], options)
  const into = await meter.run([b], { ...options, grad: hooks })
  return { source: { ...from, prompt: 0 }, target: { ...into, prompt: 0 }, slope: 1 }
}

/** (source - target) * gradient, element by element. */
function firstOrder(source: ArrayValue, target: ArrayValue, gradient: ArrayValue, factor: number): ArrayValue {
  const [from, into, slope] = [source.data, target.data, gradient.data] as [Float32Array, Float32Array, Float32Array]
  return { shape: target.shape, data: Float64Array.from(into, (x, i) => (from[i]! - x) * slope[i]! * factor) }
}

/** The sum over a cell of an array of its hook; null when no position of it has a counterpart. */
function cellSum(cell: Cell, route: Route, { shape, data }: ArrayValue): number | null {
  const positions = patchedPositions(cell, route)
  if (positions.length === 0) return null
  const isPattern = cell.hook.endsWith('hook_pattern')
  // Axes around the position: [H, Q, K] for patterns, [P, H, dh] or [P, features] otherwise.
  const [heads, features] = isPattern
    ? [shape[0]!, shape[2]!]
    : [shape.length === 3 ? shape[1]! : 1, shape[shape.length - 1]!]
  const length = isPattern ? shape[1]! : shape[0]!
  const chosenHeads = cell.head === undefined ? Array.from({ length: heads }, (_, h) => h) : [cell.head]
  let sum = 0
  for (const position of positions) {
    for (const head of chosenHeads) {
      const start = (isPattern ? head * length + position : position * heads + head) * features
      if (cell.neuron !== undefined) sum += Number(data[start + cell.neuron])
      else for (let i = 0; i < features; i++) sum += Number(data[start + i])
    }
  }
  return sum
}

const TOP = 5
const RANDOM = 5

/** The true effects of the top cells and of some random ones on the first pair. */
async function patchSome(
  model: Model,
  { pair, route, grid, estimates, values }: Estimated,
  options: AttributionPatchOptions,
  meter: Meter,
): Promise<AttributionPatchValues['exact']> {
  const top = largestIndices(estimates, TOP)
  const rest = shuffledIndices(estimates.length, options.seed ?? 0)
    .filter((i) => estimates[i] !== null && !top.includes(i))
    .slice(0, RANDOM)
  const chosen = [...top, ...rest]
  const patches = chosen.map((i): Edit[] => {
    const cell = grid.cells[i]!
    return [patchEdit(cell, values.get(cell.hook)!, route)!]
  })
  const swept = await sweep(model, route.target.ids, patches, pair.asked.metric, options, meter)
  return chosen.map((cell, i) => ({ cell, estimate: estimates[cell]!, effect: swept.values[i]! - swept.base }))
}

/** Rank correlation with the exact effects below which the estimates do not order the cells. */
const RANKS_AGREE = 0.7
/** The share of the whole corruption's effect that the estimate may miss. */
const COMPLETENESS_GAP = 0.25

function rankCheck(exact: AttributionPatchValues['exact']): Check {
  const claim = {
    name: 'estimates order the cells as exact patches do',
    claimed: `rank correlation of at least ${RANKS_AGREE} over the ${TOP} top cells and ${RANDOM} random ones`,
  }
  if (exact.length < 3) return notTested(claim, `there are only ${exact.length} cells, too few to rank`)
  const correlation = rankCorrelation(
    exact.map(({ estimate }) => estimate),
    exact.map(({ effect }) => effect),
  )
  return atLeast(
    { ...claim, why: 'where the metric bends, the tangent misleads: patch the cells that matter for real' },
    correlation,
    RANKS_AGREE,
  )
}

function completenessCheck({ whole }: Estimated, { equalLength }: Route): Check {
  const claim = {
    name: 'the estimate of the whole corruption is its effect',
    claimed: `the terms of the first residual stream add up to the change from one run to the other, within ${COMPLETENESS_GAP * 100}%`,
  }
  if (!equalLength)
    return notTested(claim, 'the prompts differ in length, so the first residual streams do not correspond')
  return atMost(
    { ...claim, why: 'the gap is what curvature hides: effects that no sum of first-order terms can show' },
    Math.abs(whole.estimate - whole.effect) / Math.abs(whole.effect),
    COMPLETENESS_GAP,
    `estimated ${whole.estimate.toFixed(3)}, measured ${whole.effect.toFixed(3)}`,
  )
}
