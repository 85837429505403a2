import { type ArrayValue, type Edit, type Model, ofPrompt, type TokenizedPrompt } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AskedMetric } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, mean } from '../shared/statistics.ts'
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
/** How many typical deviations a replacement may lie from the mean of the real activations: 95% of a normal feature's lie within. */
const FAR = 2
/** How short a replacement may be, as a share of the mean length of the real activations. */
const SHORT = 0.5
/** How far a replacement may lie from its nearest real activation, over what 95% of the real ones do. */
const ALONE = 1.5
/** How many times two kinds of ablation may differ. */
const KINDS_DIFFER = 2
/** Below this share of the largest effect a kind counts as finding nothing: two nothings agree whatever their signs. */
const NOTHING = 0.02
/** The share of the direct effect that must be left when the rest of the model reacts. */
const REPAIRED = 0.5
/** How much farther than without ablation the residual stream may lie from the usual one. */
const STREAM_MOVED = 1.5
/** How much an effect may vary from draw to draw, as a share of its mean. */
const DRAWS_VARY = 0.5

/** A question, and what its parts did. */
export interface Ablated {
  readonly prompt: TokenizedPrompt
  readonly asked: AskedMetric
  readonly source: AblationSource
  readonly main: DrawnSweep
}

/** One of the parts with the largest effects or direct contributions on the first question, looked at closely. */
export interface TopPart {
  readonly part: string
  readonly layer: number
  readonly head?: number
  readonly neuron?: number
  /** The change of the metric by every kind of ablation that the reference allows. */
  readonly effects: Readonly<Partial<Record<AblationKind, number>>>
  /** The change with all that later layers write held as it was. */
  readonly direct: number
  readonly placement: Placement
  readonly downstream: Downstream
}

/** The top parts of the first question, and the checks on them. */
export async function ablationChecks(
  model: Model,
  parts: Parts,
  { prompt, asked, source, main }: Ablated,
  kind: AblationKind,
  options: AblationOptions,
  meter: Meter,
): Promise<{ readonly top: TopPart[]; readonly checks: Check[] }> {
  const effects = main.values.map((value) => value - main.base)
  const byEffect = largestIndices(effects, TOP)
  const byWriting = await largestContributions(model, parts, prompt, asked, options, meter)
  const chosen = [...byEffect, ...byWriting.filter((i) => !byEffect.includes(i))]
  const clean = await cleanOutputs(model.config, meter, prompt, options)
  const others = source.kinds.filter((other) => other !== kind)
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
    const means = jobs[t]!.map((draws) => mean(draws.map(() => found.next().value!)) - main.base)
    return {
      part: label,
      layer,
      ...(head === undefined ? {} : { head }),
      ...(neuron === undefined ? {} : { neuron }),
      effects: { [kind]: effects[i]!, ...Object.fromEntries(others.map((other, o) => [other, means[o]!])) },
      direct: means[others.length]!,
      placement: placement(source.reference[hook]!, parts.list[i]!, first(i)),
      downstream: moved[t]!,
    }
  })
  return {
    top,
    checks: [
      distributionCheck(top, kind),
      kindsCheck(top, source.kinds, kind),
      repairCheck(top, kind),
      streamCheck(top),
      drawsCheck(
        byEffect.map((i) => ({ part: parts.list[i]!, effect: effects[i]!, spread: main.spread?.[i] ?? null })),
        kind,
        source.resampled.length,
      ),
    ],
  }
}

/** The parts that write most into the logit difference; none where there is no answer, or parts are no components of its sum. */
async function largestContributions(
  model: Model,
  { what, list }: Parts,
  prompt: TokenizedPrompt,
  { name, metric, answer, wrong }: AskedMetric,
  options: MethodOptions,
  meter: Meter,
): Promise<number[]> {
  if (answer === null || (what !== 'head' && what !== 'mlp')) return []
  const { components, values } = await wholeRun(model, { prompt, name, metric, answer, wrong }, options, meter)
  return largestIndices(
    list.map((part) => values[components.indexOf(componentOf(part))]!),
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

/** Where replacements lie among the real activations, in the worst of the top parts. */
function distributionCheck(all: readonly TopPart[], kind: AblationKind): Check {
  const name = 'replacements lie where real activations do'
  // What does nothing may lie where it likes.
  const least = NOTHING * Math.max(...all.map(({ effects }) => Math.abs(effects[kind]!)))
  const top = all.filter(({ effects }) => Math.abs(effects[kind]!) > least)
  if (top.length === 0)
    return notTested({ name, claimed: `they lie at most ${FAR} typical deviations away` }, 'no part has any effect')
  const places = top.map((one) => one.placement)
  const distance = Math.max(...places.map((place) => place.distance))
  const nearest = Math.max(...places.map((place) => place.nearest))
  const length = Math.min(...places.map((place) => place.length))
  // Zero has no length, and what was real once has that of a real one.
  const isMean = kind === 'mean' || kind === 'position_mean'
  const isShort = isMean && !(length >= SHORT)
  const short = isMean ? `, with at least ${SHORT} of their length` : ''
  return judged(
    {
      name,
      claimed: `at most ${FAR} typical deviations from the mean of the reference's, at most ${ALONE} times as far from the nearest of them as 95% of them are from theirs${short}`,
      why: 'later layers were never trained on what lies elsewhere: damage there need not be the loss of what the part does. A mean may lie between all real activations; resampling never does',
    },
    `${distance.toFixed(2)} deviations away, ${nearest.toFixed(2)} times as far from the nearest, and ${length.toFixed(2)} of the usual length, in the worst of the ${top.length} top parts`,
    FAR,
    distance <= FAR && nearest <= ALONE && !isShort,
  )
}

/** Whether another kind of ablation, the one that stays on distribution where there is one, says the same of the top parts. */
function kindsCheck(top: readonly TopPart[], kinds: readonly AblationKind[], kind: AblationKind): Check {
  const preferred = kind === 'resample' ? (['position_mean', 'mean'] as const) : (['resample', 'mean', 'zero'] as const)
  const beside = preferred.find((other) => other !== kind && kinds.includes(other))!
  const nothing = NOTHING * Math.max(...top.flatMap(({ effects }) => Object.values(effects).map(Math.abs)))
  const differs = top.filter(({ effects }) => {
    const [one, other] = [effects[kind]!, effects[beside]!]
    const [small, large] = [Math.min(Math.abs(one), Math.abs(other)), Math.max(Math.abs(one), Math.abs(other))]
    return large > nothing && (one * other < 0 || large > KINDS_DIFFER * small)
  })
  const said = top.map(
    ({ part, effects }) => `${part}: ${kinds.map((one) => `${effects[one]!.toFixed(3)} (${one})`).join(', ')}`,
  )
  return atMost(
    {
      name: `${kind} and ${beside} ablation agree`,
      claimed: `the effects of the ${top.length} top parts have the same sign and differ by less than a factor of ${KINDS_DIFFER}, where either is more than ${NOTHING} of the largest`,
      why: 'what depends on the replacement is not only the loss of the part; where they differ, believe the one that stays on distribution',
    },
    differs.length,
    0,
    said.join('; '),
  )
}

function repairCheck(top: readonly TopPart[], kind: AblationKind): Check {
  const claim = {
    name: 'later layers do not make up for the top parts',
    claimed: `the effect is at least ${REPAIRED * 100}% of the direct one (with all that later layers write held), with the same sign`,
  }
  const effectOf = ({ effects }: TopPart) => effects[kind]!
  const least = NOTHING * Math.max(...top.flatMap((one) => [Math.abs(one.direct), Math.abs(effectOf(one))]))
  const direct = top.filter((one) => Math.abs(one.direct) > least)
  if (direct.length === 0) return notTested(claim, 'none of the top parts has a direct effect')
  const repaired = direct.filter((one) => effectOf(one) / one.direct < REPAIRED)
  return atMost(
    {
      ...claim,
      why: 'self-repair: a part whose loss is made up for looks unimportant though the model uses it; the method self_repair says who does it',
    },
    repaired.length,
    0,
    direct.map((one) => `${one.part}: ${effectOf(one).toFixed(3)}, direct ${one.direct.toFixed(3)}`).join('; '),
  )
}

/** Whether what follows an ablation is still the kind of stream that the model knows. */
function streamCheck(top: readonly TopPart[]): Check {
  const worst = top.map(({ part, downstream: { ablated, whole } }) => {
    const ratios = ablated.map((distance, layer) => distance / Math.max(1, whole[layer]!))
    const layer = ratios.indexOf(Math.max(...ratios))
    return { part, layer, ratio: ratios[layer]! }
  })
  const most = worst.reduce((a, b) => (b.ratio > a.ratio ? b : a))
  return atMost(
    {
      name: 'the residual stream stays where it usually is',
      claimed: `behind every layer it lies at most ${STREAM_MOVED} times as far from the reference's mean as without ablation`,
      why: 'the whole rest of the model then runs on what it never saw, and its failure says little about the part',
    },
    most.ratio,
    STREAM_MOVED,
    `${most.ratio.toFixed(2)} times as far behind layer ${most.layer} without ${most.part}; KL of the prediction: ${top.map(({ part, downstream: { kl } }) => `${part} ${kl.toFixed(3)}`).join(', ')} nats`,
  )
}

/** Whether one draw says what the others do. */
function drawsCheck(
  top: readonly { readonly part: Part; readonly effect: number; readonly spread: number | null }[],
  kind: AblationKind,
  draws: number,
): Check {
  const claim = {
    name: 'resampled activations agree from draw to draw',
    claimed: `the standard deviation over draws is at most ${DRAWS_VARY} of the mean effect, for the top parts`,
  }
  if (kind !== 'resample') return notTested(claim, `nothing is drawn at random for '${kind}'`)
  if (draws < 2) return notTested(claim, `there is ${draws} draw; give more reference prompts, or ask for more draws`)
  const varying = top.filter(({ effect, spread }) => !(spread! <= DRAWS_VARY * Math.abs(effect)))
  return atMost(
    {
      ...claim,
      why: 'an effect that depends on the other prompt is about that prompt; more draws say what is typical',
    },
    varying.length,
    0,
    top
      .map(({ part, effect, spread }) => `${part.label}: ${effect.toFixed(3)}, deviation ${spread!.toFixed(3)}`)
      .join('; '),
  )
}
