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
import type { Edit, Model, TokenizedPrompt } from '../../lab/index.ts'
import type { AlignedPosition } from '../../tokenizer/align.ts'
import { keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AnswerMetricName, MetricName } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean, type Summary, summarizeRows } from '../shared/statistics.ts'
import { type Swept, sweepKeepingDone } from '../shared/sweep.ts'
import { differenceChecks, directionCheck, pairsCheck } from './patch-checks.ts'
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
  type MeasuredPair,
  type PreparedPair,
  type PromptPair,
  patchEdit,
  preparePair,
  routeOf,
  sourceValues,
} from './prompt-pair.ts'

/** Which cells are patched, in which direction, and what is measured. */
export interface PatchOptions extends MethodOptions, CellOptions {
  /** The direction of `values`; `clean_into_corrupted` unless said. */
  readonly direction?: Direction
  /** Whether the other direction is run too; true unless said. */
  readonly bothDirections?: boolean
  /** `logit_difference` where there is a wrong token, else `logit`, unless said. */
  readonly metric?: AnswerMetricName
}

/** A sweep in one direction. */
export interface PatchSweep {
  readonly direction: Direction
  /** The metric after patching, nested as `axes` says, means over pairs; null where no position corresponds, or not done. */
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

/** What patching gives: the sweep asked for, the other direction, and every pair. */
export interface PatchValues extends PatchSweep {
  readonly metric: MetricName
  readonly what: PatchWhat
  readonly by: PatchBy
  /** The metric of the clean and of the corrupted run, means over pairs. */
  readonly clean: number
  readonly corrupt: number
  readonly reverse: PatchSweep | null
  readonly pairs: readonly (MeasuredPair & {
    readonly alignment: {
      readonly equalLength: boolean
      readonly positions: readonly AlignedPosition[]
      readonly explanation: string
    }
    /** Of the main direction. */
    readonly values: Nested
  })[]
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
  const patchBothWays = async (
    pair: PreparedPair,
    _: number,
    onPart: ((part: BothWays) => void) | undefined,
  ): Promise<BothWays> => {
    const patch = (way: Direction, partOf: (part: OneWay) => BothWays) =>
      patchOneWay(model, pair, way, options, meter, onPart && ((part) => onPart(partOf(part))))
    const main = await patch(direction, (part) => ({ pair, main: part, reverse: null }))
    if (!bothDirections || !main.complete) return { pair, main, reverse: null }
    const back = () => patch(other, (part) => ({ pair, main, reverse: part }))
    return { pair, main, reverse: await unlessCancelled(options.signal, back) }
  }
  const provenance = model.provenance({ prompts: prepared.flatMap((pair) => [pair.clean, pair.corrupt]), seed })
  const assemble = (
    results: readonly BothWays[],
    standing: Standing,
    { clean, corrupt, main, reverse } = summarizeWays(results, seed),
  ): MethodResult<PatchValues> => {
    const values: PatchValues = {
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
    }
    return { values, cost: meter.cost, edits: meter.edits, provenance, ...standing }
  }
  const { results, complete } = await keepDone(prepared, 'pairs', options, {
    work: patchBothWays,
    isWhole: ({ main, reverse }) => main.complete && (reverse?.complete ?? !bothDirections),
    onPartial: partialResults(options, assemble),
  })
  const ways = summarizeWays(results, seed)
  const { clean, corrupt, main, reverse } = ways
  const equalLength = prepared.every(({ alignment }) => alignment.equalLength)
  const back = equalLength ? (reverse?.summary.means ?? null) : 'unequal'
  const checks = [
    ...differenceChecks(prepared, clean, corrupt),
    directionCheck(main.summary.means, back, clean, corrupt, direction),
    pairsCheck(changesOf(results, seed), clean - corrupt, results.length),
  ]
  return assemble(results, { checks, complete }, ways)
}

/** What a pair gave in both directions. */
interface BothWays {
  readonly pair: PreparedPair
  readonly main: OneWay
  readonly reverse: OneWay | null
}

/** The means over pairs of both directions. */
function summarizeWays(results: readonly BothWays[], seed: number) {
  const [clean, corrupt] = [mean(results.map(({ main }) => main.clean)), mean(results.map(({ main }) => main.corrupt))]
  const summary = (ways: readonly OneWay[]) => summarize(ways, { clean, corrupt, seed })
  const reversed = results.flatMap(({ reverse }) => (reverse ? [reverse] : []))
  return {
    clean,
    corrupt,
    main: summary(results.map(({ main }) => main)),
    reverse: reversed.length > 0 ? summary(reversed) : null,
  }
}

/** What every cell changes in its own pair's unpatched run, over pairs. */
function changesOf(results: readonly BothWays[], seed: number): Summary {
  const rows = results.map(({ main: { direction, values, clean, corrupt } }) => {
    const unpatched = direction === 'clean_into_corrupted' ? corrupt : clean
    return values.map((value) => (value === null ? null : value - unpatched))
  })
  return summarizeRows(rows, seed)
}

/** What one pair gave in one direction. */
interface OneWay {
  readonly direction: Direction
  readonly grid: CellGrid
  readonly target: TokenizedPrompt
  readonly clean: number
  readonly corrupt: number
  /** Per cell; null where no position corresponds, or the work was cancelled before it. */
  readonly values: readonly (number | null)[]
  readonly complete: boolean
}

async function patchOneWay(
  model: Model,
  pair: PreparedPair,
  direction: Direction,
  options: PatchOptions,
  meter: Meter,
  onPart?: (part: OneWay) => void,
): Promise<OneWay> {
  const { edits, signal } = options
  const route = routeOf(pair, direction)
  const grid = cellGrid(model.config, route.target.ids.length, options)
  const { metric } = pair.asked
  const source = await meter.run([route.source.ids], { capture: grid.hooks, metric, edits, signal })
  const values = new Map(grid.hooks.map((hook) => [hook, sourceValues(source.captures[hook]!, route)]))
  const patches = grid.cells.map((cell) => patchEdit(cell, values.get(cell.hook)!, route))
  const possible = patches.flatMap((edit): Edit[][] => (edit ? [[edit]] : []))
  const wayOf = ({ base, values: found, complete }: Swept): OneWay => {
    const taken = found[Symbol.iterator]()
    const from = source.metric![0]!
    return {
      direction,
      grid,
      target: route.target,
      clean: direction === 'clean_into_corrupted' ? from : base,
      corrupt: direction === 'clean_into_corrupted' ? base : from,
      values: patches.map((edit) => {
        const value = edit ? taken.next().value! : null
        return Number.isNaN(value) ? null : value
      }),
      complete,
    }
  }
  const onSwept = onPart && ((swept: Swept) => onPart(wayOf(swept)))
  return wayOf(await sweepKeepingDone(model, route.target.ids, possible, metric, options, meter, onSwept))
}

/** Means over pairs, with intervals where there are several. */
function summarize(
  ways: readonly OneWay[],
  { clean, corrupt, seed }: { clean: number; corrupt: number; seed: number },
): { readonly sweep: PatchSweep; readonly summary: Summary } {
  const { grid, direction } = ways[0]!
  const summary = summarizeRows(
    ways.map(({ values }) => values),
    seed,
  )
  const { means, low, high } = summary
  const targets = ways.map(({ target }) => target)
  const normalised = means.map((value) => (value === null ? null : (value - corrupt) / (clean - corrupt)))
  return {
    summary,
    sweep: {
      direction,
      values: nest(means, grid.sizes),
      normalised: nest(normalised, grid.sizes),
      low: low && nest(low, grid.sizes),
      high: high && nest(high, grid.sizes),
      axes: sweepAxes(grid, targets),
      positions: grid.positions,
    },
  }
}
