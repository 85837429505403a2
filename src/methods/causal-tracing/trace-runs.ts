import { DiopterError } from '../../errors/index.ts'
import {
  type ArrayValue,
  type Edit,
  logit,
  logitDifference,
  type Metric,
  type Model,
  ofPrompt,
} from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { NamedToken } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import { likeliest, type PreparedTrace } from './trace-prompts.ts'

/** How the subject is corrupted: Gaussian noise on its token embeddings, or another subject's tokens. */
export const CORRUPTIONS = ['noise', 'replacement'] as const
/** One of `CORRUPTIONS`. */
export type Corruption = (typeof CORRUPTIONS)[number]

/** What is measured of the answer: its probability, or its logit (less the wrong token's, where there is one). */
export const TRACE_MEASURES = ['probability', 'logit_difference'] as const
/** One of `TRACE_MEASURES`. */
export type TraceMeasure = (typeof TRACE_MEASURES)[number]

/** What can be restored: the residual stream behind a layer, or what an MLP or attention layer wrote. */
export const TRACE_STATES = ['resid', 'mlp', 'attn'] as const
/** One of `TRACE_STATES`. */
export type TraceState = (typeof TRACE_STATES)[number]

/** The hook of each kind of state, within its block. */
export const TRACED_HOOKS: Readonly<Record<TraceState, string>> = {
  resid: 'hook_resid_post',
  mlp: 'hook_mlp_out',
  attn: 'hook_attn_out',
}

/** One value per measure. */
export type TracedMeasures = Readonly<Record<TraceMeasure, number>>

/** A corrupted run, and how to make it again. */
export interface CorruptedRun {
  /** The prompt that is run. */
  readonly ids: readonly number[]
  /** What corrupts it, before anything is restored. */
  readonly edits: readonly Edit[]
  readonly measures: TracedMeasures
  /** What severed maps hold, by hook. */
  readonly states: ReadonlyMap<string, ArrayValue>
}

/** The clean run of a prompt. */
export interface CleanRun {
  readonly trace: PreparedTrace
  readonly answer: NamedToken
  readonly wrong: NamedToken | null
  readonly metrics: Readonly<Record<TraceMeasure, Metric>>
  readonly measures: TracedMeasures
  /** Whether the answer is the most likely next token. */
  readonly isLikeliest: boolean
  readonly states: ReadonlyMap<string, ArrayValue>
}

/** Runs a prompt clean. */
export async function cleanRun(
  model: Model,
  trace: PreparedTrace,
  hooks: readonly string[],
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<CleanRun> {
  const run = await meter.run([trace.clean.ids], { capture: hooks, positions: 'last', edits, signal })
  const logits = ofPrompt(run.logits!, 0).data as Float32Array
  const top = likeliest(model, logits)
  const [answer, wrong] = [trace.answer ?? top, trace.wrong]
  const metrics = {
    probability: probability(answer.id),
    logit_difference: wrong ? logitDifference(answer.id, wrong.id) : logit(answer.id),
  }
  return {
    trace,
    answer,
    wrong,
    metrics,
    measures: measuresOf(logits, answer, wrong),
    isLikeliest: top.id === answer.id,
    states: new Map(hooks.map((hook) => [hook, ofPrompt(run.captures[hook]!, 0)])),
  }
}

/** Runs a prompt corrupted: with noise as many times as there are draws, replaced once. Throws without a corrupted prompt to replace by. */
export async function corruptedRuns(
  model: Model,
  { trace, answer, wrong }: CleanRun,
  corruption: Corruption,
  noise: { readonly sigma: number; readonly draws: number; readonly prompt: number },
  hooks: readonly string[],
  { edits = [], seed = 0, signal }: MethodOptions,
  meter: Meter,
): Promise<CorruptedRun[]> {
  const run = async (ids: readonly number[], own: readonly Edit[]): Promise<CorruptedRun> => {
    const all = [...edits, ...own]
    const { logits, captures } = await model.run([ids], { capture: hooks, positions: 'last', edits: all, signal })
    meter.addVariants(1, edits)
    return {
      ids,
      edits: own,
      measures: measuresOf(ofPrompt(logits!, 0).data as Float32Array, answer, wrong),
      states: new Map(hooks.map((hook) => [hook, ofPrompt(captures[hook]!, 0)])),
    }
  }
  if (corruption === 'replacement') {
    if (trace.corrupt === null)
      throw new DiopterError('Symmetric replacement takes its tokens from a corrupted prompt; give one, or use noise.')
    return [await run(trace.corrupt.ids, [])]
  }
  const { subject, clean } = trace
  const runs: CorruptedRun[] = []
  for (let draw = 0; draw < noise.draws; draw++) {
    const random = randomSource(seed, 'noise', noise.prompt, draw)
    // [P, d], of which only the subject's rows are added
    const data = new Float32Array(clean.ids.length * model.config.d_model)
    for (const p of subject)
      for (let i = 0; i < model.config.d_model; i++) data[p * model.config.d_model + i] = noise.sigma * random.normal()
    const value = { shape: [clean.ids.length, model.config.d_model], data }
    runs.push(await run(clean.ids, [{ hook: 'hook_embed', kind: 'add', value, positions: subject }]))
  }
  return runs
}

/** The standard deviation of the entries of all subjects' token embeddings: the unit of noise. */
export async function embeddingDeviation(
  traces: readonly PreparedTrace[],
  { signal }: MethodOptions,
  meter: Meter,
): Promise<number> {
  let [count, sum, squares] = [0, 0, 0]
  for (const { clean, subject } of traces) {
    const { captures } = await meter.run([clean.ids], { capture: 'hook_embed', positions: 'none', signal })
    const { shape, data } = ofPrompt(captures.hook_embed!, 0)
    for (const p of subject)
      for (const x of data.subarray(p * shape[1]!, (p + 1) * shape[1]!) as Float32Array) {
        count += 1
        sum += x
        squares += x * x
      }
  }
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2))
}

/** The mean of a measure over corrupted runs. */
export function meanMeasure(runs: readonly CorruptedRun[], measure: TraceMeasure): number {
  return mean(runs.map(({ measures }) => measures[measure]))
}

/** p(answer) at the last position. */
function probability(answer: number): Metric {
  const inner = logit(answer)
  return {
    name: 'probability',
    positions: 'last',
    evaluate: (logits, context) => inner.evaluate(logits.logSoftmax(), context).exp(),
  }
}

function measuresOf(logits: Float32Array, answer: NamedToken, wrong: NamedToken | null): TracedMeasures {
  const most = logits.reduce((a, b) => Math.max(a, b))
  const sum = logits.reduce((total, x) => total + Math.exp(x - most), 0)
  return {
    probability: Math.exp(logits[answer.id]! - most) / sum,
    logit_difference: logits[answer.id]! - (wrong ? logits[wrong.id]! : 0),
  }
}
