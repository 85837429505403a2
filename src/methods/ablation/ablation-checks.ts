import type { Model } from '../../lab/index.ts'
import { atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, mean } from '../shared/statistics.ts'
import type { AblationKind, AblationOptions, Part, Parts } from './ablation-parts.ts'
import { type AblatedQuestion, type TopPart, topParts } from './top-parts.ts'

/** How many typical deviations a replacement may lie from the mean of the real activations: 95% of a normal feature's lie within. */
const FAR = 2
/** How short a replacement may be, as a share of the mean length of the real activations. */
const SHORT = 0.5
/** How far a replacement may lie from its nearest real activation, over what 95% of the real ones do. */
const ALONE = 1.5
/** How far two kinds, or an effect and the direct one, may lie apart, as a share of the largest effect: more tells another story. */
const APART = 0.25
/** Standard errors of a resampled effect that count as chance. */
const CHANCE = 2
/** Below this share of the largest effect, or of the metric where nothing has one, an effect counts as none. */
const NOTHING = 0.02
/** How much farther than without ablation the residual stream may lie from the usual one. */
const STREAM_MOVED = 1.5
/** How much an effect may vary from draw to draw, as a share of its mean. */
const DRAWS_VARY = 0.5
/** Parts whose draws are compared. */
const DRAWN = 3

/** The top parts, and the checks on them. */
export async function ablationChecks(
  model: Model,
  parts: Parts,
  questions: readonly AblatedQuestion[],
  kind: AblationKind,
  options: AblationOptions,
  meter: Meter,
): Promise<{ readonly top: TopPart[]; readonly checks: Check[] }> {
  const { top, kinds } = await topParts(model, parts, questions, kind, options, meter)
  const base = mean(questions.map(({ main }) => main.base))
  // Sizes are of effects that nothing is drawn for: those asked for, and direct ones.
  const largest = Math.max(
    NOTHING * Math.abs(base),
    ...top.map(({ effects, direct }) => Math.max(Math.abs(effects[kind]!), Math.abs(direct))),
  )
  return {
    top,
    checks: [
      distributionCheck(top, kind),
      kindsCheck(top, kinds, kind, largest),
      repairCheck(top, kind, largest),
      streamCheck(top),
      drawsCheck(parts.list, questions[0]!, kind),
    ],
  }
}

/** Where replacements lie among the real activations, in the worst of the top parts. */
function distributionCheck(all: readonly TopPart[], kind: AblationKind): Check {
  const name = 'replacements lie where real activations do'
  // What does nothing may lie where it likes.
  const least = NOTHING * Math.max(...all.map(({ effects }) => Math.abs(effects[kind]!)))
  const top = all.filter(({ effects }) => Math.abs(effects[kind]!) > least)
  if (top.length === 0)
    return notTested({ name, claimed: `they lie at most ${FAR} typical deviations away` }, 'no part has an effect')
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
function kindsCheck(
  top: readonly TopPart[],
  kinds: readonly AblationKind[],
  kind: AblationKind,
  largest: number,
): Check {
  const preferred = kind === 'resample' ? (['position_mean', 'mean'] as const) : (['resample', 'mean', 'zero'] as const)
  const beside = preferred.find((other) => other !== kind && kinds.includes(other))!
  const isDrawn = kind === 'resample' || beside === 'resample'
  const apart = top.map(({ effects, resampleError }) => {
    const chance = isDrawn ? CHANCE * (resampleError ?? 0) : 0
    return Math.max(0, Math.abs(effects[kind]! - effects[beside]!) - chance) / largest
  })
  const said = top.map(
    ({ part, effects }) => `${part}: ${kinds.map((one) => `${effects[one]!.toFixed(3)} (${one})`).join(', ')}`,
  )
  return atMost(
    {
      name: `${kind} and ${beside} ablation agree`,
      claimed: `the effects of the ${top.length} top parts differ by at most ${100 * APART}% of the largest${isDrawn ? `, beyond ${CHANCE} standard errors of resampling` : ''}`,
      why: 'what depends on the replacement is not only the loss of the part; where they differ, believe the one that stays on distribution',
    },
    Math.max(...apart),
    APART,
    said.join('; '),
  )
}

function repairCheck(top: readonly TopPart[], kind: AblationKind, largest: number): Check {
  const claim = {
    name: 'later layers do not make up for the top parts',
    claimed: `the effect falls short of the direct one (with all that later layers write held) by at most ${100 * APART}% of the largest effect`,
  }
  const direct = top.filter((one) => Math.abs(one.direct) > NOTHING * largest)
  if (direct.length === 0) return notTested(claim, 'none of the top parts has a direct effect')
  // An effect that is larger than the direct one comes by other ways: nothing is made up for, whatever its sign.
  const madeUpFor = direct.map(({ direct: own, effects }) =>
    Math.abs(effects[kind]!) < Math.abs(own) ? (Math.abs(own) - Math.sign(own) * effects[kind]!) / largest : 0,
  )
  return atMost(
    {
      ...claim,
      why: 'self-repair: a part whose loss is made up for looks unimportant though the model uses it; the method self_repair says who does it',
    },
    Math.max(...madeUpFor),
    APART,
    direct.map((one) => `${one.part}: ${one.effects[kind]!.toFixed(3)}, direct ${one.direct.toFixed(3)}`).join('; '),
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

/** Whether one draw says what the others do, for the parts with the largest effects on the first question. */
function drawsCheck(parts: readonly Part[], { main, source }: AblatedQuestion, kind: AblationKind): Check {
  const claim = {
    name: 'resampled activations agree from draw to draw',
    claimed: `the standard deviation over draws is at most ${DRAWS_VARY} of the mean effect, for the top parts`,
  }
  if (kind !== 'resample') return notTested(claim, `nothing is drawn at random for '${kind}'`)
  const draws = source.resampled.length
  if (draws < 2) return notTested(claim, `there is ${draws} draw; give more reference prompts, or ask for more draws`)
  const effects = main.values.map((value) => value - main.base)
  const top = largestIndices(effects, DRAWN).map((i) => ({
    label: parts[i]!.label,
    effect: effects[i]!,
    spread: main.spread![i]!,
  }))
  const varying = top.filter(({ effect, spread }) => !(spread <= DRAWS_VARY * Math.abs(effect)))
  return atMost(
    {
      ...claim,
      why: 'an effect that depends on the other prompt is about that prompt; more draws say what is typical',
    },
    varying.length,
    0,
    top.map(({ label, effect, spread }) => `${label}: ${effect.toFixed(3)}, deviation ${spread.toFixed(3)}`).join('; '),
  )
}
