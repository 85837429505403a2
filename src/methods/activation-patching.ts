/**
 * Activation patching: where in the model does the difference between two prompts make the difference in the answer?
 *
 * Runs: the clean prompt, the corrupted prompt, and for every cell (layer and position, head, ...) one prompt with that cell's
 * activation taken from the other:
 *
 *     clean into corrupted ("denoising"): v = metric(corrupted run, cell <- clean activation): is this enough for the answer?
 *     corrupted into clean ("noising"):   v = metric(clean run, cell <- corrupted activation): is this needed for the answer?
 *     normalised = (v - corrupt) / (clean - corrupt): 0 as in the corrupted run, 1 as in the clean one, in both directions.
 *
 * Papers: Vig et al. 2004.12265; Meng et al. 2202.05262 (causal tracing); Zhang & Nanda 2309.16042; Heimersheim & Nanda 2404.15255.
 *
 * How it misleads: denoising finds what is sufficient, noising what is necessary; parts in parallel (OR) are invisible to the
 * one, parts in series with others (AND) to the other, so both directions are run. One pair of prompts tells about that pair.
 * Prompts of unequal length are patched where their tokens correspond; positions after an insertion then also differ in
 * their position embeddings. A probability hides negative parts: prefer the logit difference.
 */
import type { Edit, Model, TokenizedPrompt } from '../lab/index.ts'
import type { AlignedPosition } from '../tokenizer/align.ts'
import { atLeast, atMost, type Check, judged, notTested } from './checks.ts'
import { keepDone } from './keep-done.ts'
import type { MethodOptions } from './options.ts'
import {
  type CellGrid,
  type CellOptions,
  cellGrid,
  type Nested,
  nest,
  type PatchBy,
  type PatchWhat,
} from './patch-grid.ts'
import { comparablePairs, sweepAxes } from './patch-summary.ts'
import {
  type Direction,
  type PreparedPair,
  type PromptPair,
  patchEdit,
  preparePair,
  routeOf,
  sourceValues,
} from './prompt-pair.ts'
import type { MetricName, NamedToken } from './question.ts'
import { Meter, type MethodResult } from './result.ts'
import { bootstrapMeans, largestIndices, mean, rankCorrelation } from './statistics.ts'
import { sweep } from './sweep.ts'

export interface PatchOptions extends MethodOptions, CellOptions {
  /** The direction of `values`; `clean_into_corrupted` unless said. */
  readonly direction?: Direction
  /** Whether the other direction is run too; true unless said. */
  readonly bothDirections?: boolean
  /** `logit_difference` where there is a wrong token, else `logit`, unless said. */
  readonly metric?: MetricName
}

/** A sweep in one direction. */
export interface PatchSweep {
  readonly direction: Direction
  /** The metric after patching, nested as `axes` says, means over pairs; null where no position corresponds. */
  readonly values: Nested
  /** (value - corrupt) / (clean - corrupt). */
  readonly normalised: Nested
  /** 95% bootstrap intervals of `values`; null for a single pair. */
  readonly low: Nested | null
  readonly high: Nested | null
  /** The axes of `values` in order, with what each index stands for: layers, tokens, heads, neurons. */
  readonly axes: Readonly<Record<string, readonly (number | string)[]>>
  /** The positions of the position axis, or those that every cell patches. */
  readonly positions: readonly number[]
}

export interface PatchValues extends PatchSweep {
  readonly metric: MetricName
  readonly what: PatchWhat
  readonly by: PatchBy
  /** The metric of the clean and of the corrupted run, means over pairs. */
  readonly clean: number
  readonly corrupt: number
  readonly reverse: PatchSweep | null
  readonly pairs: readonly {
    readonly clean: TokenizedPrompt
    readonly corrupt: TokenizedPrompt
    readonly answer: NamedToken | null
    readonly wrong: NamedToken | null
    readonly cleanMetric: number
    readonly corruptMetric: number
    readonly alignment: {
      readonly equalLength: boolean
      readonly positions: readonly AlignedPosition[]
      readonly explanation: string
    }
    /** Of the main direction. */
    readonly values: Nested
  }[]
}

/** Patches every cell of every pair. Throws when nothing corresponds, or pairs of different lengths are swept by position. */
export async function activationPatching(
  model: Model,
  pairs: readonly PromptPair[],
  options: PatchOptions,
): Promise<MethodResult<PatchValues>> {
  const { direction = 'clean_into_corrupted', bothDirections = true, seed = 0 } = options
  const other = direction === 'clean_into_corrupted' ? 'corrupted_into_clean' : 'clean_into_corrupted'
  const meter = new Meter(model)
  const prepared = pairs.map((pair) => preparePair(model, pair, options.metric, options.prependBos))
  comparablePairs(model, prepared, options)
  const { results, complete } = await keepDone(prepared, 'pairs', options, async (pair) => {
    const main = await patchOneWay(model, pair, direction, options, meter)
    if (!bothDirections) return { pair, main, reverse: null }
    // Cancelled here, the first direction is kept.
    const reverse = await patchOneWay(model, pair, other, options, meter).catch((error: unknown) => {
      if (!options.signal?.aborted) throw error
      return null
    })
    return { pair, main, reverse }
  })
  const [clean, corrupt] = [mean(results.map(({ main }) => main.clean)), mean(results.map(({ main }) => main.corrupt))]
  const summary = (ways: readonly OneWay[]) => summarize(ways, { clean, corrupt, seed })
  const main = summary(results.map(({ main }) => main))
  const reversed = results.flatMap(({ reverse }) => (reverse ? [reverse] : []))
  const hasReverse = bothDirections && reversed.length === results.length
  const reverse = hasReverse ? summary(reversed) : null
  const equalLength = prepared.every(({ alignment }) => alignment.equalLength)
  return {
    values: {
      metric: prepared[0]!.asked.name,
      what: options.what,
      by: results[0]!.main.grid.by,
      ...main.sweep,
      clean,
      corrupt,
      reverse: reverse?.sweep ?? null,
      pairs: results.map(({ pair, main }) => ({
        clean: pair.clean,
        corrupt: pair.corrupt,
        answer: pair.asked.answer,
        wrong: pair.asked.wrong,
        cleanMetric: main.clean,
        corruptMetric: main.corrupt,
        alignment: pair.alignment,
        values: nest(main.values, main.grid.sizes),
      })),
    },
    checks: [
      ...differenceChecks(prepared, clean, corrupt),
      directionCheck(main.means, equalLength ? (reverse?.means ?? null) : 'unequal', clean, corrupt, direction),
      pairsCheck(main, direction === 'clean_into_corrupted' ? corrupt : clean, results.length),
    ],
    cost: meter.cost,
    provenance: model.provenance({ prompts: prepared.flatMap((pair) => [pair.clean, pair.corrupt]), seed }),
    complete: complete && hasReverse === bothDirections,
  }
}

/** What one pair gave in one direction. */
interface OneWay {
  readonly direction: Direction
  readonly grid: CellGrid
  readonly target: TokenizedPrompt
  readonly clean: number
  readonly corrupt: number
  /** Per cell. */
  readonly values: readonly (number | null)[]
}

async function patchOneWay(
  model: Model,
  pair: PreparedPair,
  direction: Direction,
  options: PatchOptions,
  meter: Meter,
): Promise<OneWay> {
  const { edits, signal } = options
  const route = routeOf(pair, direction)
  const grid = cellGrid(model.config, route.target.ids.length, options)
  const { metric } = pair.asked
  const source = await model.run([route.source.ids], { capture: grid.hooks, metric, edits, signal })
  const values = new Map(grid.hooks.map((hook) => [hook, sourceValues(source.captures[hook]!, route)]))
  const patches = grid.cells.map((cell) => patchEdit(cell, values.get(cell.hook)!, route))
  const possible = patches.flatMap((edit): Edit[][] => (edit ? [[edit]] : []))
  const swept = await sweep(model, route.target.ids, possible, metric, options, meter)
  const taken = swept.values[Symbol.iterator]()
  const [from, into] = [source.metric![0]!, swept.base]
  return {
    direction,
    grid,
    target: route.target,
    clean: direction === 'clean_into_corrupted' ? from : into,
    corrupt: direction === 'clean_into_corrupted' ? into : from,
    values: patches.map((edit) => (edit ? taken.next().value! : null)),
  }
}

/** Means over pairs, with intervals where there are several. */
function summarize(
  ways: readonly OneWay[],
  { clean, corrupt, seed }: { clean: number; corrupt: number; seed: number },
): {
  sweep: PatchSweep
  means: readonly (number | null)[]
  intervals: readonly { low: number; high: number }[] | null
} {
  const { grid, direction } = ways[0]!
  const means = grid.cells.map((_, i) => {
    const values = ways.flatMap((way) => way.values[i] ?? [])
    return values.length === ways.length ? mean(values) : null
  })
  const intervals =
    ways.length > 1
      ? bootstrapMeans(
          ways.map(({ values }) => values.map((value) => value ?? Number.NaN)),
          seed,
        )
      : null
  const shape = (values: readonly (number | null)[]) => nest(values, grid.sizes)
  return {
    means,
    intervals,
    sweep: {
      direction,
      values: shape(means),
      normalised: shape(means.map((value) => (value === null ? null : (value - corrupt) / (clean - corrupt)))),
      low: intervals && shape(intervals.map(({ low }) => low)),
      high: intervals && shape(intervals.map(({ high }) => high)),
      axes: sweepAxes(
        grid,
        ways.map((way) => way.target),
      ),
      positions: grid.positions,
    },
  }
}

/** Below this a normalised value divides by nearly nothing. */
const SMALLEST_DIFFERENCE = 0.1

function differenceChecks(pairs: readonly PreparedPair[], clean: number, corrupt: number): Check[] {
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
/** Rank correlation of the two directions' effects below which they tell different stories. */
const DIRECTIONS_AGREE = 0.5

function directionCheck(
  main: readonly (number | null)[],
  reverse: readonly (number | null)[] | null | 'unequal',
  clean: number,
  corrupt: number,
  direction: Direction,
): Check {
  const claim = {
    name: 'both directions agree',
    claimed: `the effects of the ${TOP} top cells have the same sign in both directions, and all effects a rank correlation of at least ${DIRECTIONS_AGREE}`,
  }
  if (reverse === 'unequal')
    return notTested(claim, 'the prompts differ in length, so the two directions have different cells')
  if (reverse === null) return notTested(claim, 'only one direction was run')
  const [into, away] = direction === 'clean_into_corrupted' ? [main, reverse] : [reverse, main]
  const cells = into.flatMap((value, i) => (value === null || away[i] == null ? [] : [i]))
  const restored = cells.map((i) => into[i]! - corrupt)
  const destroyed = cells.map((i) => clean - away[i]!)
  const top = largestIndices(restored, TOP)
  const opposed = top.filter((i) => restored[i]! * destroyed[i]! < 0).length
  const agreement = rankCorrelation(restored, destroyed)
  const why =
    'what restores the answer need not be needed for it (parallel parts, OR), and what is needed need not be enough (parts that work together, AND)'
  return judged(
    { ...claim, why },
    `rank correlation ${agreement.toFixed(2)}; ${opposed} of the ${top.length} top cells have opposite signs`,
    DIRECTIONS_AGREE,
    agreement >= DIRECTIONS_AGREE && opposed === 0,
  )
}

function pairsCheck({ means, intervals }: ReturnType<typeof summarize>, unpatched: number, count: number): Check {
  const claim = {
    name: 'the top cells hold beyond one pair',
    claimed: `the 95% intervals over pairs of the ${TOP} top cells lie on one side of the unpatched run`,
  }
  if (intervals === null) return notTested(claim, `there is ${count} pair; give a list of pairs for intervals`)
  const top = largestIndices(
    means.map((value) => (value === null ? null : value - unpatched)),
    TOP,
  )
  const unsure = top.filter((i) => intervals[i]!.low <= unpatched && unpatched <= intervals[i]!.high).length
  return atMost(
    { ...claim, why: 'an effect that changes sign from pair to pair is about those words, not about the task' },
    unsure,
    0,
    `${unsure} of ${top.length} intervals over ${count} pairs include the unpatched run`,
  )
}
