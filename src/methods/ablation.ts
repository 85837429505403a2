/**
 * Ablation: what does the model lose without a part?
 *
 * Runs: one per part (a head's z, an attention or MLP layer's output, a neuron), with its activation replaced at all
 * positions (or the named ones):
 *
 *     zero      by 0
 *     mean      by its mean over reference prompts (the prompt's own positions when there are none)
 *     resample  by its activation on another prompt at the same positions (the prompt's own tokens in another order when
 *               there is none)
 *
 *     effect = metric(without the part) - metric(whole model)         and the same for the loss
 *
 * Papers: Olsson et al. 2209.11895 (ablating heads); Wang et al. 2211.00593 (mean ablation); Chan et al. 2022 (resampling).
 *
 * How it misleads: zero is no neutral value: later layers may never have seen it, so the damage need not be the part's
 * function. The mean has no such excuse for the part's average, but may be a place where no real activation lies. And the rest
 * of the model may make up for what is missing (self-repair), so a small effect does not say that the part does little.
 */
import { DiopterError } from '../errors/index.ts'
import {
  type Activation,
  type ArrayValue,
  type Edit,
  loss,
  type Model,
  ofPrompt,
  type Prompt,
  type TokenizedPrompt,
} from '../lab/index.ts'
import { meanActivation } from '../lab/resolve-edits.ts'
import type { ModelConfig } from '../models/index.ts'
import { atMost, type Check, judged, notTested } from './checks.ts'
import { keepDone } from './keep-done.ts'
import type { MethodOptions } from './options.ts'
import { type Nested, nest } from './patch-grid.ts'
import { type AskedMetric, askMetric, type MetricName, type NamedToken, type Question } from './question.ts'
import { Meter, type MethodResult } from './result.ts'
import { indicesWithin } from './selection.ts'
import { bootstrapMeans, largestIndices, mean, shuffledIndices } from './statistics.ts'
import { sweep } from './sweep.ts'

export const ABLATABLE = ['head', 'attn', 'mlp', 'neuron'] as const
export type AblateWhat = (typeof ABLATABLE)[number]
export const ABLATION_KINDS = ['zero', 'mean', 'resample'] as const
export type AblationKind = (typeof ABLATION_KINDS)[number]

export interface AblationOptions extends MethodOptions {
  /** `head` unless said. */
  readonly what?: AblateWhat
  /** `mean` unless said. */
  readonly kind?: AblationKind
  /** Prompts that give means, or activations to resample; the prompt itself unless said. */
  readonly reference?: readonly Prompt[]
  readonly layers?: readonly number[]
  readonly heads?: readonly number[]
  readonly neurons?: readonly number[]
  /** Where the part is ablated; everywhere unless said. */
  readonly positions?: readonly number[]
  /** What the questions' tokens allow unless said: logit difference, logit, or loss. */
  readonly metric?: MetricName
}

/** A number per part and what it is without any ablation. */
interface Effects {
  readonly base: number
  /** After ablation, nested as `axes` says; means over questions. */
  readonly values: Nested
  /** values - base. */
  readonly effect: Nested
}

export interface AblationValues extends Effects {
  readonly metric: MetricName
  readonly what: AblateWhat
  readonly kind: AblationKind
  /** 95% bootstrap intervals of `effect`; null for a single question. */
  readonly low: Nested | null
  readonly high: Nested | null
  /** The mean loss of the prompt's next tokens, in nats; null where the metric is the loss, or a prompt is a single token. */
  readonly loss: Effects | null
  /** The axes of `values` in order, with what each index stands for. */
  readonly axes: Readonly<Record<string, readonly number[]>>
  readonly questions: readonly {
    readonly prompt: TokenizedPrompt
    readonly answer: NamedToken | null
    readonly wrong: NamedToken | null
    readonly base: number
    readonly values: Nested
  }[]
}

/** Ablates every part, one at a time, on every question. Throws for parts that the model does not have. */
export async function ablation(
  model: Model,
  questions: readonly Question[],
  options: AblationOptions = {},
): Promise<MethodResult<AblationValues>> {
  const { kind = 'mean', seed = 0 } = options
  const meter = new Meter(model)
  const parts = ablatedParts(model.config, options)
  const { results, complete } = await keepDone(questions, 'prompts', options, async (question) => {
    const prompt = model.tokenize(question.prompt, options.prependBos)
    const asked = askMetric(model, question, options.metric)
    const source = await ablationSource(model, parts, prompt, options)
    const edits = parts.list.map((part) => source.edits(part, kind))
    const main = await sweep(model, prompt.ids, edits, asked.metric, options, meter)
    const hasLoss = asked.name !== 'loss' && prompt.ids.length > 1
    return {
      prompt,
      asked,
      source,
      main,
      loss: hasLoss ? await sweep(model, prompt.ids, edits, loss(), options, meter) : null,
    }
  })
  const names = new Set(results.map(({ asked }) => asked.name))
  if (names.size > 1)
    throw new DiopterError(
      `The questions have different metrics (${[...names].join(', ')}), whose mean means nothing; name one.`,
    )
  const losses = results.flatMap(({ loss }) => (loss ? [loss] : []))
  const intervals =
    results.length > 1
      ? bootstrapMeans(
          results.map(({ main }) => main.values.map((value) => value - main.base)),
          seed,
        )
      : null
  const shape = (values: readonly number[]) => nest(values, parts.sizes)
  return {
    values: {
      metric: results[0]!.asked.name,
      what: parts.what,
      kind,
      ...meanEffects(
        results.map(({ main }) => main),
        parts.sizes,
      ),
      low: intervals && shape(intervals.map(({ low }) => low)),
      high: intervals && shape(intervals.map(({ high }) => high)),
      loss: losses.length === results.length ? meanEffects(losses, parts.sizes) : null,
      axes: parts.axes,
      questions: results.map(({ prompt, asked, main }) => ({
        prompt,
        answer: asked.answer,
        wrong: asked.wrong,
        base: main.base,
        values: shape(main.values),
      })),
    },
    checks: await ablationChecks(model, parts, results[0]!, kind, options, meter),
    cost: meter.cost,
    provenance: model.provenance({ prompts: results.map(({ prompt }) => prompt), seed }),
    complete,
  }
}

function meanEffects(
  sweeps: readonly { readonly base: number; readonly values: readonly number[] }[],
  sizes: readonly number[],
): Effects {
  const base = mean(sweeps.map((one) => one.base))
  const values = sweeps[0]!.values.map((_, i) => mean(sweeps.map((one) => one.values[i]!)))
  return {
    base,
    values: nest(values, sizes),
    effect: nest(
      values.map((value) => value - base),
      sizes,
    ),
  }
}

interface Part {
  readonly label: string
  readonly layer: number
  readonly hook: string
  readonly head?: number
  readonly neuron?: number
}

interface Parts {
  readonly what: AblateWhat
  readonly list: readonly Part[]
  readonly hooks: readonly string[]
  readonly sizes: readonly number[]
  readonly axes: AblationValues['axes']
}

const HOOKS: Readonly<Record<AblateWhat, string>> = {
  head: 'attn.hook_z',
  attn: 'hook_attn_out',
  mlp: 'hook_mlp_out',
  neuron: 'mlp.hook_post',
}

function ablatedParts(config: ModelConfig, options: AblationOptions): Parts {
  const { what = 'head' } = options
  if (config.attn_only && (what === 'mlp' || what === 'neuron'))
    throw new DiopterError(`This model has attention only, so there is no ${what} to ablate.`)
  const layers = indicesWithin(options.layers, config.n_layers, 'Layer')
  const heads = indicesWithin(options.heads, config.n_heads, 'Head')
  const neurons = what === 'neuron' ? indicesWithin(options.neurons, config.d_mlp, 'Neuron') : []
  const within: Record<AblateWhat, (layer: number) => { label: string; head?: number; neuron?: number }[]> = {
    head: (layer) => heads.map((head) => ({ label: `L${layer}H${head}`, head })),
    attn: (layer) => [{ label: `attn ${layer}` }],
    mlp: (layer) => [{ label: `mlp ${layer}` }],
    neuron: (layer) => neurons.map((neuron) => ({ label: `L${layer}N${neuron}`, neuron })),
  }
  const inner: Record<string, number[]> =
    what === 'head' ? { head: heads } : what === 'neuron' ? { neuron: neurons } : {}
  const hookOf = (layer: number) => `blocks.${layer}.${HOOKS[what]}`
  return {
    what,
    list: layers.flatMap((layer) => within[what](layer).map((part) => ({ ...part, layer, hook: hookOf(layer) }))),
    hooks: layers.map(hookOf),
    sizes: [layers.length, ...Object.values(inner).map((list) => list.length)],
    axes: { layer: layers, ...inner },
  }
}

/** Where replacements come from: reference activations per hook. */
interface AblationSource {
  readonly edits: (part: Part, kind: AblationKind) => Edit[]
  /** Activations of the references by hook. */
  readonly reference: Readonly<Record<string, Activation>>
}

async function ablationSource(
  model: Model,
  parts: Parts,
  prompt: TokenizedPrompt,
  { kind, reference, seed = 0, edits, prependBos, signal, positions }: AblationOptions,
): Promise<AblationSource> {
  const { ids } = prompt
  const order = shuffledIndices(ids.length - 1, seed)
  // The first token stays in its place: it is the start token where there is one.
  const shuffled = [ids[0]!, ...order.map((i) => ids[i + 1]!)]
  const long = reference?.filter((other) => model.tokenize(other, prependBos).ids.length >= ids.length) ?? []
  if (kind === 'resample' && reference && long.length === 0)
    throw new DiopterError(
      `Resampling takes activations from the same positions of another prompt, but no reference prompt has the ${ids.length} tokens of this one. Give a longer one.`,
    )
  const drawn = long.length > 0 ? long[shuffledIndices(long.length, seed)[0]!]! : shuffled
  const run = (prompts: readonly Prompt[]) => model.run(prompts, { capture: parts.hooks, edits, prependBos, signal })
  const captures = (await run(reference ?? [ids])).captures
  const other = (await run([drawn])).captures
  const means = new Map(parts.hooks.map((hook) => [hook, meanActivation(captures[hook]!, 'all')]))
  const others = new Map(parts.hooks.map((hook) => [hook, leading(ofPrompt(other[hook]!, 0), ids.length)]))
  const region = ({ hook, head, neuron }: Part) => ({
    hook,
    ...(positions ? { positions } : {}),
    ...(head === undefined ? {} : { heads: [head] }),
    ...(neuron === undefined ? {} : { neurons: [neuron] }),
  })
  return {
    reference: captures,
    edits: (part, kind) => {
      const value = kind === 'mean' ? means.get(part.hook)! : others.get(part.hook)!
      return [kind === 'zero' ? { ...region(part), kind: 'zero' } : { ...region(part), kind: 'replace', value }]
    },
  }
}

/** The first `length` positions of [P, ...]. */
function leading({ shape, data }: ArrayValue, length: number): ArrayValue {
  const size = data.length / shape[0]!
  return { shape: [length, ...shape.slice(1)], data: data.subarray(0, length * size) as Float32Array }
}

const TOP = 3
/** How many typical deviations a replacement may lie from the mean of the real activations. */
const FAR = 2
/** How short a replacement may be, as a share of the mean length of the real activations. */
const SHORT = 0.5
/** How many times two kinds of ablation may differ. */
const KINDS_DIFFER = 2
/** The share of the direct effect that must be left when the rest of the model reacts. */
const REPAIRED = 0.5

interface Ablated {
  readonly prompt: TokenizedPrompt
  readonly asked: AskedMetric
  readonly source: AblationSource
  readonly main: { readonly base: number; readonly values: readonly number[] }
}

/** Checks on the first question and its top parts. */
async function ablationChecks(
  model: Model,
  parts: Parts,
  { prompt, asked, source, main }: Ablated,
  kind: AblationKind,
  options: AblationOptions,
  meter: Meter,
): Promise<Check[]> {
  const effects = main.values.map((value) => value - main.base)
  const top = largestIndices(effects, TOP)
  const beside: AblationKind = kind === 'resample' ? 'mean' : 'resample'
  const clean = await cleanOutputs(model, prompt, options)
  const besides = top.map((i) => source.edits(parts.list[i]!, beside))
  const directs = top.map((i) => [
    ...source.edits(parts.list[i]!, kind),
    ...frozenAfter(model.config, parts, parts.list[i]!, clean),
  ])
  const { values } = await sweep(model, prompt.ids, [...besides, ...directs], asked.metric, options, meter)
  const changes = values.map((value) => value - main.base)
  const tops = top.map((i, k) => ({
    part: parts.list[i]!,
    effect: effects[i]!,
    beside: changes[k]!,
    direct: changes[top.length + k]!,
  }))
  return [
    distributionCheck(
      source,
      tops.map(({ part }) => part),
      kind,
    ),
    kindsCheck(tops, kind, beside),
    repairCheck(tops),
  ]
}

/** What every attention and MLP layer writes in the whole model. */
async function cleanOutputs(
  model: Model,
  prompt: TokenizedPrompt,
  { edits, signal }: AblationOptions,
): Promise<ReadonlyMap<string, ArrayValue>> {
  const capture = ['blocks.*.hook_attn_out', ...(model.config.attn_only ? [] : ['blocks.*.hook_mlp_out'])]
  const { captures } = await model.run([prompt.ids], { capture, edits, signal })
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

/** Where replacements lie among the real activations, in the worst of the top parts. */
function distributionCheck({ reference, edits }: AblationSource, parts: readonly Part[], kind: AblationKind): Check {
  const measures = parts.map((part) => {
    const [edit] = edits(part, kind) as [Edit]
    const value = edit.kind === 'replace' ? (edit.value as ArrayValue) : null
    return placement(reference[part.hook]!, part, value)
  })
  const distance = Math.max(...measures.map((measure) => measure.distance))
  const length = Math.min(...measures.map((measure) => measure.length))
  const isFar = !(distance <= FAR)
  const isShort = kind !== 'zero' && !(length >= SHORT)
  return judged(
    {
      name: 'replacements lie where real activations do',
      claimed: `at most ${FAR} typical deviations from their mean (over reference positions, feature by feature)${kind === 'zero' ? '' : `, and at least ${SHORT} of their length`}`,
      why: 'later layers were never trained on what lies elsewhere: damage there need not be the loss of what the part does',
    },
    `${distance.toFixed(2)} deviations away and ${length.toFixed(2)} of the usual length, in the worst of the ${parts.length} top parts`,
    FAR,
    !isFar && !isShort,
  )
}

/**
 * The distance of replacements from the mean of real activations, in units of the real ones' own: sqrt(mean over features of
 * ((x - mean) / deviation)^2), a Mahalanobis distance with a diagonal covariance; and their length over the real mean length.
 */
function placement(reference: Activation, { head, neuron }: Part, value: ArrayValue | null) {
  const rows = reference.lengths.flatMap((_, i) => partRows(ofPrompt(reference, i), head, neuron))
  const replaced = value === null ? [rows[0]!.map(() => 0)] : partRows(withPositions(value, reference), head, neuron)
  const size = rows[0]!.length
  const centre = Array.from({ length: size }, (_, i) => mean(rows.map((row) => row[i]!)))
  const variance = centre.map((m, i) => mean(rows.map((row) => (row[i]! - m) ** 2)))
  // Features that never vary are judged by the typical variance instead of dividing by zero.
  const typical = mean(variance)
  const distances = replaced.map((row) =>
    Math.sqrt(mean(row.map((x, i) => (x - centre[i]!) ** 2 / Math.max(variance[i]!, 1e-3 * typical)))),
  )
  const norm = (row: readonly number[]) => Math.hypot(...row)
  return { distance: mean(distances), length: mean(replaced.map(norm)) / mean(rows.map(norm)) }
}

/** A mean has no position axis. */
function withPositions({ shape, data }: ArrayValue, { shape: full }: Activation): ArrayValue {
  return shape.length === full.length - 1 ? { shape, data } : { shape: [1, ...shape], data }
}

/** The part's own features at every position of [P, features] or [P, H, dh]. */
function partRows({ shape, data }: ArrayValue, head: number | undefined, neuron: number | undefined): number[][] {
  const size = data.length / shape[0]!
  const width = shape[shape.length - 1]!
  return Array.from({ length: shape[0]! }, (_, position) => {
    const row = Array.from(data.subarray(position * size, (position + 1) * size) as Float32Array)
    if (head !== undefined) return row.slice(head * width, (head + 1) * width)
    return neuron === undefined ? row : [row[neuron]!]
  })
}

interface TopPart {
  readonly part: Part
  readonly effect: number
  readonly beside: number
  readonly direct: number
}

function kindsCheck(tops: readonly TopPart[], kind: AblationKind, beside: AblationKind): Check {
  const differs = tops.filter(({ effect, beside: other }) => {
    const [small, large] = [Math.min(Math.abs(effect), Math.abs(other)), Math.max(Math.abs(effect), Math.abs(other))]
    return effect * other < 0 || large > KINDS_DIFFER * small
  })
  return atMost(
    {
      name: `${kind} and ${beside} ablation agree`,
      claimed: `the effects of the ${tops.length} top parts have the same sign and differ by less than a factor of ${KINDS_DIFFER}`,
      why: 'what depends on the replacement is not only the loss of the part',
    },
    differs.length,
    0,
    tops
      .map(({ part, effect, beside: other }) => `${part.label}: ${effect.toFixed(3)} and ${other.toFixed(3)}`)
      .join('; '),
  )
}

function repairCheck(tops: readonly TopPart[]): Check {
  const claim = {
    name: 'later layers do not make up for the top parts',
    claimed: `the effect is at least ${REPAIRED * 100}% of the direct one (with all that later layers write held), with the same sign`,
  }
  const direct = tops.filter((top) => Math.abs(top.direct) > 1e-6)
  if (direct.length === 0) return notTested(claim, 'none of the top parts has a direct effect')
  const repaired = direct.filter(({ effect, direct }) => effect / direct < REPAIRED)
  return atMost(
    { ...claim, why: 'self-repair: a part whose loss is made up for looks unimportant though the model uses it' },
    repaired.length,
    0,
    direct
      .map(({ part, effect, direct }) => `${part.label}: ${effect.toFixed(3)}, direct ${direct.toFixed(3)}`)
      .join('; '),
  )
}
