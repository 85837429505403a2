import {
  type Activation,
  type ArrayValue,
  type Edit,
  type Model,
  ofPrompt,
  type TokenizedPrompt,
} from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { AskedMetric } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, mean } from '../shared/statistics.ts'
import { sweep } from '../shared/sweep.ts'
import type { AblationKind, AblationOptions, AblationSource, Part, Parts } from './ablation-parts.ts'

const TOP = 3
/** How many typical deviations a replacement may lie from the mean of the real activations. */
const FAR = 2
/** How short a replacement may be, as a share of the mean length of the real activations. */
const SHORT = 0.5
/** How many times two kinds of ablation may differ. */
const KINDS_DIFFER = 2
/** The share of the direct effect that must be left when the rest of the model reacts. */
const REPAIRED = 0.5

/** A question, and what its parts did. */
export interface Ablated {
  readonly prompt: TokenizedPrompt
  readonly asked: AskedMetric
  readonly source: AblationSource
  readonly main: { readonly base: number; readonly values: readonly number[] }
}

/** Checks on the first question and its top parts. */
export async function ablationChecks(
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
  const clean = await cleanOutputs(model.config, meter, prompt, options)
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
  config: ModelConfig,
  meter: Meter,
  prompt: TokenizedPrompt,
  { edits, signal }: AblationOptions,
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
