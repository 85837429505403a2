import { type ArrayValue, type Edit, type Model, ofPrompt, type TokenizedPrompt } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AskedMetric } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, mean, standardDeviation } from '../shared/statistics.ts'
import { sweep } from '../shared/sweep.ts'
import { type Downstream, downstream, type Placement, placement, streamStatistics } from './ablation-distribution.ts'
import type { AblationKind, AblationOptions, Part, Parts } from './ablation-parts.ts'
import type { AblationSource } from './ablation-source.ts'
import type { DrawnSweep } from './ablation-sweep.ts'
import { wholeRun } from './contributions.ts'
import { componentOf } from './self-repair-runs.ts'

/** Parts with the largest effects, and with the largest direct contributions beside them: a backup hides the effect of those. */
const TOP = 3
const TOP_DIRECT = 2
/** Questions over which the top parts are looked at: a kind may do harm on one, and as much good on another. */
const LOOKED_AT = 16

/** A question, and what its parts did. */
export interface AblatedQuestion {
  readonly prompt: TokenizedPrompt
  readonly asked: AskedMetric
  readonly source: AblationSource
  readonly main: DrawnSweep
}

/** One of the parts with the largest effects or direct contributions, looked at closely. */
export interface TopPart {
  readonly part: string
  readonly layer: number
  readonly head?: number
  readonly neuron?: number
  /** The mean change of the metric over (at most 16) questions, by every kind of ablation that their references allow. */
  readonly effects: Readonly<Partial<Record<AblationKind, number>>>
  /** The standard error of the resampled effect, from how its draws differ; null where nothing is drawn, or once. */
  readonly resampleError: number | null
  /** The mean change with all that later layers write held as it was. */
  readonly direct: number
  /** On the first question. */
  readonly placement: Placement
  readonly downstream: Downstream
}

/** The top parts over the questions, and the kinds of ablation that all of these allow. */
export async function topParts(
  model: Model,
  parts: Parts,
  all: readonly AblatedQuestion[],
  kind: AblationKind,
  options: AblationOptions,
  meter: Meter,
): Promise<{ readonly top: TopPart[]; readonly kinds: readonly AblationKind[] }> {
  const questions = all.slice(0, LOOKED_AT)
  const [{ prompt, source }] = questions as [AblatedQuestion]
  const kinds = source.kinds.filter((one) => questions.every((question) => question.source.kinds.includes(one)))
  const effects = parts.list.map((_, i) => mean(all.map(({ main }) => main.values[i]! - main.base)))
  const byEffect = largestIndices(effects, TOP)
  const byWriting = await largestContributions(model, parts, questions, options, meter)
  const chosen = [...byEffect, ...byWriting.filter((i) => !byEffect.includes(i))]
  const measured: Measured[][] = []
  for (const question of questions)
    measured.push(await measure(model, parts, chosen, question, kinds, kind, options, meter))
  const statistics = await streamStatistics(model, options.reference ?? [prompt.ids], options, meter)
  const first = (i: number) => source.draws(parts.list[i]!, kind)[0]!
  const moved = await downstream(
    model,
    prompt.ids,
    chosen.map((i) => [first(i)]),
    statistics,
    options,
    meter,
  )
  const top = chosen.map((i, t): TopPart => {
    const { label, layer, head, neuron, hook } = parts.list[i]!
    const own = measured.map((question) => question[t]!)
    return {
      part: label,
      layer,
      ...(head === undefined ? {} : { head }),
      ...(neuron === undefined ? {} : { neuron }),
      effects: Object.fromEntries(kinds.map((one) => [one, mean(own.map(({ changes }) => mean(changes[one]!)))])),
      resampleError: errorOf(own.map(({ changes }) => changes.resample ?? [])),
      direct: mean(own.map(({ direct }) => mean(direct))),
      placement: placement(source.reference[hook]!, parts.list[i]!, first(i)),
      downstream: moved[t]!,
    }
  })
  return { top, kinds }
}

/** The changes of the metric of one question by one part's ablation, draw by draw. */
interface Measured {
  readonly changes: Readonly<Partial<Record<AblationKind, readonly number[]>>>
  readonly direct: readonly number[]
}

/** Ablates the chosen parts on a question by every kind, and by the one asked for with all that later layers write held. */
async function measure(
  model: Model,
  parts: Parts,
  chosen: readonly number[],
  { prompt, asked, source, main }: AblatedQuestion,
  kinds: readonly AblationKind[],
  kind: AblationKind,
  options: AblationOptions,
  meter: Meter,
): Promise<Measured[]> {
  const clean = await cleanOutputs(model.config, meter, prompt, options)
  const others = kinds.filter((other) => other !== kind || other === 'resample')
  const jobs = chosen.map((i) => {
    const part = parts.list[i]!
    const held = frozenAfter(model.config, parts, part, clean)
    return [
      ...others.map((other) => source.draws(part, other).map((edit) => [edit])),
      source.draws(part, kind).map((edit) => [edit, ...held]),
    ]
  })
  const { values } = await sweep(model, prompt.ids, jobs.flat(2), asked.metric, options, meter)
  const found = values[Symbol.iterator]()
  return chosen.map((i, t) => {
    const changes = jobs[t]!.map((draws) => draws.map(() => found.next().value! - main.base))
    return {
      changes: {
        [kind]: [main.values[i]! - main.base],
        ...Object.fromEntries(others.map((other, o) => [other, changes[o]!])),
      },
      direct: changes[others.length]!,
    }
  })
}

/** The standard error of the mean over questions of means over draws; draws of different questions are drawn by themselves. */
function errorOf(draws: readonly (readonly number[])[]): number | null {
  if (draws.some(({ length }) => length < 2)) return null
  return Math.hypot(...draws.map((own) => standardDeviation(own) / Math.sqrt(own.length))) / draws.length
}

/** The parts that write most into the logit difference; none where there is no answer, or parts are no components of its sum. */
async function largestContributions(
  model: Model,
  { what, list }: Parts,
  questions: readonly AblatedQuestion[],
  options: MethodOptions,
  meter: Meter,
): Promise<number[]> {
  if (what !== 'head' && what !== 'mlp') return []
  const written: number[][] = []
  for (const { prompt, asked } of questions) {
    const { name, metric, answer, wrong } = asked
    if (answer === null) return []
    const { components, values } = await wholeRun(model, { prompt, name, metric, answer, wrong }, options, meter)
    written.push(list.map((part) => values[components.indexOf(componentOf(part))]!))
  }
  return largestIndices(
    list.map((_, i) => mean(written.map((values) => values[i]!))),
    TOP_DIRECT,
  )
}

/** What every attention and MLP layer writes in the whole model. */
async function cleanOutputs(
  config: ModelConfig,
  meter: Meter,
  prompt: TokenizedPrompt,
  { edits, signal }: MethodOptions,
): Promise<ReadonlyMap<string, ArrayValue>> {
  const capture = ['blocks.*.hook_attn_out', ...(config.attn_only ? [] : ['blocks.*.hook_mlp_out'])]
  const { captures } = await meter.run([prompt.ids], { capture, edits, signal })
  return new Map(Object.entries(captures).map(([hook, activation]) => [hook, ofPrompt(activation, 0)]))
}

/** Holds everything that layers write after a part at its value in the whole model: only the direct path is left. */
function frozenAfter(
  config: ModelConfig,
  { what }: Parts,
  { layer }: Part,
  clean: ReadonlyMap<string, ArrayValue>,
): Edit[] {
  const fromAttention = what === 'head' || what === 'attn'
  const ownMlpFollows = fromAttention && !config.parallel_attn_mlp && !config.attn_only
  return [...clean].flatMap(([hook, value]): Edit[] => {
    const at = Number(/^blocks\.(\d+)\./.exec(hook)![1])
    const follows = at > layer || (at === layer && ownMlpFollows && hook.endsWith('hook_mlp_out'))
    return follows ? [{ hook, kind: 'replace', value }] : []
  })
}
