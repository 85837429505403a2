import type { Model } from '../../lab/index.ts'
import { atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { Meter } from '../shared/result.ts'
import type { AblatePairsOptions, AblatePairsValues } from './ablate-pairs.ts'
import { type PairSweep, pairIndices, sweepPairs } from './ablate-pairs-sweep.ts'
import type { Part } from './ablation-parts.ts'
import type { Repairs } from './self-repair-runs.ts'

/** How large an interaction may be, as a share of the largest effect, before single ablations do not tell the story. */
const INTERACTS = 0.1
/** How much all parts that were not chosen may do together, as a share of the largest effect. */
const LEFT_OUT = 0.1
/** Below this share of the logit difference no ablation has an effect to speak of. */
const NO_EFFECT = 1e-3

/** What checks look at. */
export interface Paired {
  readonly list: readonly Part[]
  readonly others: readonly Part[]
  readonly first: { readonly repaired: Repairs; readonly swept: PairSweep }
  readonly values: AblatePairsValues
}

/** Checks on the means, and of the strongest pair on the first question. */
export async function pairChecks(
  model: Model,
  paired: Paired,
  options: AblatePairsOptions,
  meter: Meter,
): Promise<Check[]> {
  const { values, others } = paired
  const effects = (values.joint.flat() as number[]).map(Math.abs)
  const largest = Math.max(...effects)
  const none = NO_EFFECT * Math.abs(values.base)
  return [
    singlesCheck(values, largest > none ? largest : 0),
    await kindsCheck(model, paired, options, meter),
    restCheck(values, others.length, largest),
    intervalsCheck(values, largest),
  ]
}

function singlesCheck({ strongest }: AblatePairsValues, largest: number): Check {
  const claim = {
    name: 'single ablations tell the whole story',
    claimed: `no interaction is larger than ${INTERACTS} of the largest effect`,
  }
  if (!(largest > 0)) return notTested(claim, 'no ablation has an effect')
  const strong = strongest.filter(({ interaction }) => Math.abs(interaction) > INTERACTS * largest)
  return judged(
    {
      ...claim,
      why: 'redundant parts look unimportant alone, and parts in series are counted twice: rank parts by what they do together',
    },
    strong.length === 0
      ? `none is; the largest is ${Math.abs(strongest[0]?.interaction ?? 0).toFixed(3)} of ${largest.toFixed(3)}`
      : `${strong.length} are: ${strong
          .slice(0, 3)
          .map(({ parts, alone, joint, relation }) => {
            const [a, b] = alone.map((effect) => effect.toFixed(3))
            return `${parts.join(' and ')} ${a} and ${b} alone, ${joint.toFixed(3)} together (${relation})`
          })
          .join('; ')}`,
    INTERACTS,
    strong.length === 0,
  )
}

/** Whether the same pairs interact under another kind of ablation, on the first question. */
async function kindsCheck(
  model: Model,
  { list, first: { repaired, swept }, values: { parts, kind, base } }: Paired,
  options: AblatePairsOptions,
  meter: Meter,
): Promise<Check> {
  const { kinds } = repaired.source
  const beside = kinds.includes('resample') && kind !== 'resample' ? 'resample' : kind === 'mean' ? 'zero' : 'mean'
  const claim = {
    name: `${kind} and ${beside} ablation show the same interactions`,
    claimed: `pairs that interact by more than ${INTERACTS} of the largest effect of one kind have the same sign by the other, and at least half of that size`,
  }
  const { onProgress: _, ...quiet } = options
  const other = await sweepPairs(model, repaired, list, [], beside, quiet, meter)
  if (!other.complete) return notTested(claim, 'the work was cancelled before it')
  const [own, by] = [interactionShares(swept, base), interactionShares(other, base)]
  const pairs = pairIndices(list.length).map(([a, b], p) => ({
    name: `${parts[a]!.part} and ${parts[b]!.part}`,
    shares: [own[p]!, by[p]!] as const,
  }))
  const interact = pairs.filter(({ shares }) => shares.some((share) => Math.abs(share) > INTERACTS))
  if (interact.length === 0) return notTested(claim, 'no pair interacts that much by either kind')
  const differ = interact.filter(
    ({ shares: [x, y] }) => x * y <= 0 || Math.min(Math.abs(x), Math.abs(y)) < INTERACTS / 2,
  )
  return atMost(
    {
      ...claim,
      why: 'an interaction that only one replacement shows may be that replacement, twice off distribution; and a mean may leave on what a real value would turn off',
    },
    differ.length,
    0,
    interact
      .slice(0, 3)
      .map(
        ({ name, shares: [x, y] }) =>
          `${name}: ${x.toFixed(2)} (${kind}), ${y.toFixed(2)} (${beside}) of the largest effect`,
      )
      .join('; '),
  )
}

/** Interactions over the largest effect of a question's sweep; 0 where there is no effect. */
function interactionShares({ alone, joint }: PairSweep, base: number): number[] {
  const largest = Math.max(...[...alone, ...joint].map((effect) => Math.abs(effect!)))
  return pairIndices(alone.length).map(([a, b], p) =>
    largest > NO_EFFECT * Math.abs(base) ? (joint[p]! - alone[a]! - alone[b]!) / largest : 0,
  )
}

/** Whether what was not paired could matter. */
function restCheck({ rest }: AblatePairsValues, count: number, largest: number): Check {
  const claim = {
    name: 'the parts that were not paired matter little',
    claimed: `ablating all of them at once changes the metric by at most ${LEFT_OUT} of the largest effect`,
  }
  if (count === 0) return notTested(claim, 'all parts were paired')
  return atMost(
    {
      ...claim,
      why: 'parts that do nothing alone may carry the answer together (three that stand in for each other show in no pair): raise `top`, or look at several layers at once',
    },
    Math.abs(rest!) / (Math.max(largest, Math.abs(rest!)) || 1),
    LEFT_OUT,
    `without the ${count} others: ${rest!.toFixed(3)}, against ${largest.toFixed(3)} for the largest effect`,
  )
}

function intervalsCheck({ strongest, parts, low, high, questions }: AblatePairsValues, largest: number): Check {
  const claim = {
    name: 'the interactions hold beyond one question',
    claimed: `the 95% intervals over questions of those above ${INTERACTS} of the largest effect lie on one side of 0`,
  }
  if (low === null || high === null)
    return notTested(claim, `there is ${questions.length} question; give several for intervals`)
  const strong = strongest.filter(({ interaction }) => Math.abs(interaction) > INTERACTS * largest)
  if (strong.length === 0) return notTested(claim, 'no interaction is that large')
  const ends = strong.map((pair) => {
    const [a, b] = pair.parts.map((name) => parts.findIndex(({ part }) => part === name)) as [number, number]
    return { pair, low: (low[a] as number[])[b]!, high: (high[a] as number[])[b]! }
  })
  const unsure = ends.filter((end) => end.low <= 0 && 0 <= end.high)
  return atMost(
    { ...claim, why: 'an interaction that changes sign from prompt to prompt is about those prompts' },
    unsure.length,
    0,
    `${unsure.length} of ${ends.length} intervals over ${questions.length} questions include 0`,
  )
}
