/**
 * Causal tracing: which states carry a fact from its subject to the answer?
 *
 * Runs, for every prompt: clean; corrupted, with Gaussian noise on the subject's token embeddings (sigma = level x their standard
 * deviation, several draws) or with another subject's tokens (symmetric replacement); and corrupted with single states restored to
 * their clean values, one layer and token at a time: the residual stream behind a layer, or what MLP or attention layers wrote, in a
 * window of layers around it:
 *
 *     total effect    = p(clean) - p(corrupted)
 *     indirect effect = p(corrupted, state restored) - p(corrupted)          p a probability, or a logit difference
 *
 * Severed: the residual stream is restored while later MLP (or attention) layers stay, at that token, as in the corrupted run:
 * what of the effect goes through them?
 *
 * Papers: Meng et al. 2202.05262 (ROME); Zhang & Nanda 2309.16042 (noise against replacement, windows, measures); Hase et al.
 * 2301.04213 (where tracing points says little about where to edit).
 *
 * How it misleads: noise puts the model where it never was, and may find other places than another subject's tokens do; a
 * probability hides what lowers the answer; a window over layers has peaks that none of its layers has. All three are checked.
 * Restoring finds what is enough, given all that was not corrupted; what is needed is another question (`ablate`, `patch`).
 */
import { DiopterError } from '../../errors/index.ts'
import type { Model, TokenizedPrompt } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { type Nested, nest } from '../patching/patch-grid.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { NamedToken } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { indicesWithin } from '../shared/selection.ts'
import { mean, summarizeRows } from '../shared/statistics.ts'
import { traceChecks } from './trace-checks.ts'
import { type PreparedTrace, prepareTrace, TOKEN_CLASSES, type TokenClass, type TracedPrompt } from './trace-prompts.ts'
import {
  type CleanRun,
  type CorruptedRun,
  type Corruption,
  cleanRun,
  corruptedRuns,
  embeddingDeviation,
  meanMeasure,
  TRACE_STATES,
  type TracedMeasures,
  type TraceMeasure,
  type TraceState,
} from './trace-runs.ts'
import { hooksOfState, type TracedMap, type TraceMap, traceMap } from './trace-sweep.ts'

/** How subjects are corrupted, what is restored, and what is measured. */
export interface CausalTraceOptions extends MethodOptions {
  /** `noise` unless said. */
  readonly corruption?: Corruption | undefined
  /** How many standard deviations of the subjects' token embeddings the noise has; 3 unless said. */
  readonly noise?: number | undefined
  /** How many draws of noise; 3 unless said. */
  readonly draws?: number | undefined
  /** What is restored: `resid`, `mlp`, `attn`; all that the model has unless said. */
  readonly states?: readonly string[] | undefined
  /** How many layers of MLP or attention outputs are restored together; a fifth of the layers unless said. */
  readonly window?: number | undefined
  /** Whether the residual stream is also restored with later MLP, and later attention layers held as corrupted; false unless said. */
  readonly severed?: boolean | undefined
  /** What effects are changes of; `probability` unless said. The other one is measured beside it. */
  readonly measure?: TraceMeasure | undefined
  readonly layers?: readonly number[] | undefined
}

/** One map of effects. */
export interface CausalTrace extends TraceMap {
  /** Indirect effects [layer][token class], means over prompts; null where a class has no token in every prompt, or not done. */
  readonly byClass: Nested
  /** 95% bootstrap intervals of `byClass`; null for a single prompt. */
  readonly low: Nested | null
  readonly high: Nested | null
}

/** What causal tracing gives. */
export interface CausalTraceValues {
  readonly corruption: Corruption
  readonly measure: TraceMeasure
  /** The standard deviation of the noise; null for replacement. */
  readonly sigma: number | null
  /** Corrupted runs per prompt. */
  readonly draws: number
  readonly layers: readonly number[]
  readonly classes: readonly TokenClass[]
  /** Means over prompts. */
  readonly clean: TracedMeasures
  readonly corrupt: TracedMeasures
  /** clean - corrupt. */
  readonly totalEffect: TracedMeasures
  readonly traces: readonly CausalTrace[]
  readonly prompts: readonly {
    readonly prompt: TokenizedPrompt
    readonly corrupt: TokenizedPrompt | null
    readonly subject: readonly number[]
    readonly classes: readonly TokenClass[]
    readonly answer: NamedToken
    readonly wrong: NamedToken | null
    readonly cleanMeasures: TracedMeasures
    readonly corruptMeasures: TracedMeasures
    /** Indirect effects [trace][layer][position], in the order of `traces`. */
    readonly effects: Nested
    /** Their standard deviation over draws; null for a single run. */
    readonly spread: Nested | null
  }[]
}

const NOISE = 3
const DRAWS = 3
/** The paper's windows are 10 of 48 layers. */
const WINDOW_SHARE = 1 / 5

/** A prompt with its runs and maps, whole or in part. */
export interface TracedPromptRuns {
  readonly clean: CleanRun
  readonly corrupted: readonly CorruptedRun[]
  readonly maps: readonly TracedMap[]
  readonly complete: boolean
}

/** Traces every prompt. Throws for a prompt without a subject, states that the model lacks, and replacement without a corrupted prompt. */
export async function causalTracing(
  model: Model,
  prompts: readonly TracedPrompt[],
  options: CausalTraceOptions = {},
): Promise<MethodResult<CausalTraceValues>> {
  const { corruption = 'noise', noise = NOISE, draws = DRAWS, measure = 'probability', seed = 0 } = options
  if (!(noise > 0) || !Number.isInteger(draws) || draws < 1)
    throw new DiopterError(
      `The noise is ${noise} standard deviations in ${draws} draws; both must be above 0, and draws a whole number.`,
    )
  const meter = new Meter(model)
  const maps = tracedMaps(model.config, options)
  const layers = indicesWithin(options.layers, model.config.n_layers, 'Layer')
  const prepared = prompts.map((prompt) => prepareTrace(model, prompt, options.prependBos))
  const hooksOf = (kinds: readonly (TraceState | null)[]) =>
    [...new Set(kinds)].flatMap((kind) => (kind ? hooksOfState(model.config, kind) : []))
  const restored = hooksOf(maps.map(({ state }) => state))
  const held = hooksOf(maps.map(({ severed }) => severed))
  const isNoise = corruption === 'noise'
  const sigma = isNoise ? noise * (await embeddingDeviation(prepared, options, meter)) : null
  const trace = async (
    one: PreparedTrace,
    index: number,
    onPart: ((part: TracedPromptRuns) => void) | undefined,
  ): Promise<TracedPromptRuns> => {
    const clean = await cleanRun(model, one, restored, options, meter)
    const noisy = { sigma: sigma ?? 0, draws, prompt: index }
    const corrupted = await corruptedRuns(model, clean, corruption, noisy, held, options, meter)
    const cells = { layers, positions: one.clean.ids.map((_, p) => p) }
    const done: TracedMap[] = []
    for (const map of maps) {
      const part = (own: TracedMap): TracedPromptRuns => ({ clean, corrupted, maps: [...done, own], complete: false })
      const work = () =>
        traceMap(model, clean, corrupted, map, cells, measure, options, meter, onPart && ((own) => onPart(part(own))))
      // Without any map there is nothing to keep, and the abort goes on.
      const traced = done.length === 0 ? await work() : await unlessCancelled(options.signal, work)
      if (traced) done.push(traced)
      if (!traced?.complete) return { clean, corrupted, maps: done, complete: false }
    }
    return { clean, corrupted, maps: done, complete: true }
  }
  const provenance = model.provenance({
    prompts: prepared.flatMap(({ clean, corrupt }) => (corrupt ? [clean, corrupt] : [clean])),
    seed,
  })
  const assemble = (results: readonly TracedPromptRuns[], standing: Standing): MethodResult<CausalTraceValues> => {
    const clean = meanMeasures(results.map((one) => one.clean.measures))
    const corrupt = meanMeasures(results.map(corruptMeasures))
    const values: CausalTraceValues = {
      ...{ corruption, measure, sigma, layers },
      draws: results[0]!.corrupted.length,
      classes: TOKEN_CLASSES,
      ...{ clean, corrupt },
      totalEffect: {
        probability: clean.probability - corrupt.probability,
        logit_difference: clean.logit_difference - corrupt.logit_difference,
      },
      traces: maps.map((map, m) => ({ ...map, ...summarize(results, m, layers, seed) })),
      prompts: results.map((one) => {
        const { trace, answer, wrong, measures } = one.clean
        const sizes = [maps.length, layers.length, trace.clean.ids.length]
        const cells = layers.length * trace.clean.ids.length
        const none = new Array<null>(cells).fill(null)
        return {
          prompt: trace.clean,
          corrupt: trace.corrupt,
          subject: trace.subject,
          classes: trace.classes,
          ...{ answer, wrong },
          cleanMeasures: measures,
          corruptMeasures: corruptMeasures(one),
          effects: nest(
            maps.flatMap((_, m) => one.maps[m]?.effects ?? none),
            sizes,
          ),
          spread:
            one.corrupted.length === 1
              ? null
              : nest(
                  maps.flatMap((_, m) => one.maps[m]?.spread ?? none),
                  sizes,
                ),
        }
      }),
    }
    return { values, cost: meter.cost, edits: meter.edits, provenance, ...standing }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(prepared, 'prompts', options, {
    work: trace,
    isWhole: (one) => one.complete,
    onPartial,
  })
  if (complete) onPartial?.(results)
  const checks = complete
    ? await unlessCancelled(options.signal, () =>
        traceChecks(
          model,
          { results, values: assemble(results, { checks: [], complete }).values, maps, noise, draws },
          options,
          meter,
        ),
      )
    : null
  return assemble(results, { checks: checks ?? CANCELLED_CHECKS, complete: checks !== null })
}

/** The maps that the options ask for. Throws for states that the model does not have. */
function tracedMaps({ n_layers, attn_only }: ModelConfig, options: CausalTraceOptions): TraceMap[] {
  const { states: named = attn_only ? ['resid', 'attn'] : TRACE_STATES, severed = false } = options
  const states = named.map((name) => {
    const state = TRACE_STATES.find((one) => one === name)
    if (state) return state
    throw new DiopterError(`There is no state '${name}' to restore; there are ${TRACE_STATES.join(', ')}.`)
  })
  const window = options.window ?? Math.max(1, Math.round(WINDOW_SHARE * n_layers))
  if (!Number.isInteger(window) || window < 1 || window > n_layers)
    throw new DiopterError(`The window is ${window} layers; give a whole number from 1 to ${n_layers}.`)
  if (attn_only && states.includes('mlp'))
    throw new DiopterError("This model has attention only, so there is no 'mlp' to restore; trace resid and attn.")
  if (severed && !states.includes('resid'))
    throw new DiopterError(
      "Severing holds later layers while the residual stream is restored: leave 'resid' among the states.",
    )
  const cuts = severed ? (attn_only ? (['attn'] as const) : (['mlp', 'attn'] as const)) : []
  return [
    ...states.map((state): TraceMap => ({ state, window: state === 'resid' ? 1 : window, severed: null })),
    ...cuts.map((severed): TraceMap => ({ state: 'resid', window: 1, severed })),
  ]
}

function corruptMeasures({ corrupted }: TracedPromptRuns): TracedMeasures {
  return {
    probability: meanMeasure(corrupted, 'probability'),
    logit_difference: meanMeasure(corrupted, 'logit_difference'),
  }
}

function meanMeasures(list: readonly TracedMeasures[]): TracedMeasures {
  return {
    probability: mean(list.map(({ probability }) => probability)),
    logit_difference: mean(list.map(({ logit_difference }) => logit_difference)),
  }
}

/** Means over the tokens of a class, then over prompts. */
function summarize(results: readonly TracedPromptRuns[], m: number, layers: readonly number[], seed: number) {
  const rows = results.map(({ clean: { trace }, maps }) => {
    const length = trace.clean.ids.length
    const effects = maps[m]?.effects ?? []
    return layers.flatMap((_, l) =>
      TOKEN_CLASSES.map((name) => {
        const own = trace.classes.flatMap((one, p) => (one === name ? [effects[l * length + p] ?? null] : []))
        return own.length === 0 || own.includes(null) ? null : mean(own as number[])
      }),
    )
  })
  const { means, low, high } = summarizeRows(rows, seed)
  const sizes = [layers.length, TOKEN_CLASSES.length]
  return { byClass: nest(means, sizes), low: low && nest(low, sizes), high: high && nest(high, sizes) }
}
