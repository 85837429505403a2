import { atLeast, atMost, type Check, judged, notTested } from '../shared/checks.ts'
import { mean } from '../shared/statistics.ts'
import { type ActivationSample, quantile } from './activation-sample.ts'
import { KEPT } from './minimal-example.ts'
import type { Typicality } from './typical-examples.ts'

/** The share below which the top percent begins. */
export const TOP_SHARE = 0.99

/** Of the distance from the median to the top percent: how wide the 95 % interval of its lower end may be. */
const WIDE = 0.25
/** Share of top examples that may come from one text. */
const ONE_TEXT = 0.5
/** Share of the top percent that must be like the top examples. */
const TYPICAL = 0.6
/** Share of variance from which a number says no more than which token, or which position, it stands at. */
const EXPLAINED = 0.8
/** Rounding of a rerun. */
const ROUNDING = 1e-3

/** An estimate of a quantile with its 95 % interval. */
export interface QuantileInterval {
  readonly value: number
  readonly low: number
  readonly high: number
}

/**
 * A quantile of the sample with its 95 % interval after Woodruff (1952): the share of numbers above it varies from sequence to sequence,
 * and numbers of one sequence are not independent.
 */
export function quantileInterval({ sample }: ActivationSample, sorted: Float64Array, share: number): QuantileInterval {
  const value = quantile(sorted, share)
  const size = sorted.length / sample.length
  const rates = sample.map(({ values, from }) => {
    let above = 0
    for (let p = from; p < values.length; p++) if (values[p]! > value) above++
    return above / size
  })
  const average = mean(rates)
  const variance = rates.reduce((sum, x) => sum + (x - average) ** 2, 0) / Math.max(1, rates.length - 1)
  // At least what independent numbers would vary by: none above says little where there are few.
  const error = Math.sqrt(Math.max(variance / rates.length, (share * (1 - share)) / sorted.length))
  return {
    value,
    low: quantile(sorted, Math.max(0, share - 1.96 * error)),
    high: quantile(sorted, Math.min(1, share + 1.96 * error)),
  }
}

/** What examples assume that stand for a unit. */
export function exampleChecks(
  sample: ActivationSample,
  sorted: Float64Array,
  kept: readonly number[] | null,
  typical: Typicality | null | 'cancelled',
): Check[] {
  return [
    sizeCheck(sample, sorted),
    textsCheck(sample),
    typicalCheck(typical),
    minimalCheck(kept),
    explainedCheck('token', sample.byToken.explained()),
    explainedCheck('position', sample.byPosition.explained()),
  ]
}

function sizeCheck(sample: ActivationSample, sorted: Float64Array): Check {
  const { value, low, high } = quantileInterval(sample, sorted, TOP_SHARE)
  const distance = value - quantile(sorted, 0.5)
  const said = `from ${low.toFixed(3)} to ${high.toFixed(3)} about ${value.toFixed(3)}; ${sorted.length} of ${sample.tokens} tokens`
  return judged(
    {
      name: 'the sample is large enough',
      claimed: `the 95 % interval of the ${100 * TOP_SHARE} % quantile is at most ${WIDE} of its distance from the median`,
      why: 'quantiles, and what counts as a high activation, are those of this text: give more of it',
    },
    said,
    WIDE,
    distance > 0 && high - low <= WIDE * distance,
  )
}

function textsCheck({ top, texts }: ActivationSample): Check {
  const claim = {
    name: 'the top examples come from different texts',
    claimed: `no text has more than ${100 * ONE_TEXT} % of them`,
  }
  if (texts < 2) return notTested(claim, 'there is one text; give several')
  const counts = new Map<number, number>()
  for (const { sequence } of top) counts.set(sequence.text, (counts.get(sequence.text) ?? 0) + 1)
  const most = Math.max(...counts.values())
  return atMost(
    { ...claim, why: 'what one text says again and again is that text, not the unit: its names, its markup' },
    most / top.length,
    ONE_TEXT,
    `${most} of ${top.length} from one, of ${texts} texts`,
  )
}

function typicalCheck(typical: Typicality | null | 'cancelled'): Check {
  const claim = {
    name: 'the top examples are typical of the top percent',
    claimed: `${100 * TYPICAL} % of the rest of the top percent are closer to the top examples, in what the layer reads, than 95 % of random positions`,
  }
  if (typical === 'cancelled') return notTested(claim, 'the work was cancelled before it')
  if (typical === null) return notTested(claim, 'the sample has too few positions of the top percent; give more text')
  return atLeast(
    {
      ...claim,
      why: 'a unit may mean one thing at its maximum and others below it: look at the examples of the lower quantiles before naming it',
    },
    typical.close,
    TYPICAL,
    `${Math.round(typical.close * typical.compared)} of ${typical.compared} are`,
  )
}

function minimalCheck(kept: readonly number[] | null): Check {
  const claim = {
    name: 'the minimal examples keep the activation',
    claimed: `run again by themselves, all keep ${100 * KEPT} % of the activation in context`,
  }
  if (kept === null) return notTested(claim, 'the work was cancelled before it')
  if (kept.length === 0) return notTested(claim, 'no top example has a positive activation')
  return atLeast(
    { ...claim, why: 'otherwise what is highlighted is not what the unit needs' },
    Math.min(...kept),
    KEPT - ROUNDING,
  )
}

function explainedCheck(by: 'token' | 'position', share: number | null): Check {
  const claim = {
    name: `it is not just the ${by}`,
    claimed: `which ${by} it is explains at most ${100 * EXPLAINED} % of the variance`,
  }
  if (share === null) return notTested(claim, `nothing varies, or every ${by} occurs once`)
  return atMost(
    {
      ...claim,
      why:
        by === 'token'
          ? 'a unit that says which token it stands at needs no story about contexts: look at the tokens'
          : 'a unit that says where it stands is about positions, and every text puts something there',
    },
    share,
    EXPLAINED,
  )
}
