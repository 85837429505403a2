import { atLeast, atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { DataBalance } from './data-balance.ts'
import type { RecoveredShare } from './scrub-measures.ts'

/** Below this the model hardly knows more than a random example tells, and shares of the difference mean nothing, in nats. */
const SMALLEST_DIFFERENCE = 0.1
/** Mean loss and per-example KL may differ by this: the two weigh examples differently, but tell one story. */
const SAME_STORY = 0.25
/** How much less a hypothesis with permuted labels must recover: less than that, and the features say nothing. */
const CONTROL_GAP = 0.25
/** The widest interval that still tells a good hypothesis (90%) from a poor one (70%). */
const WIDEST = 0.2
/** Of the examples that stand in for another, at least this share must be another one: with fewer, nothing is exchanged. */
const EXCHANGED = 0.5
/** By how much less may be recovered where inputs vary by themselves. */
const BALANCE_GAP = 0.25

/** What is known when a hypothesis is judged. */
export interface JudgedHypothesis {
  /** Loss of random examples less the model's. */
  readonly difference: number
  readonly loss: RecoveredShare
  readonly klRecovered: number
  readonly medianKl: number
  readonly highKl: number
  /** Nodes with the share of their stand-ins that are other examples. */
  readonly exchanged: readonly { readonly name: string; readonly share: number }[]
  /** With permuted labels; null where no node has a feature that varies. */
  readonly control: RecoveredShare | null
  readonly balance: DataBalance
  /** The KL that is recovered on data with hidden positions drawn anew; null where that was not run. */
  readonly balanced: number | null
}

/** Below 0 a hypothesis is refuted, however far: differences there tell no other story. */
const atLeastNothing = (share: number) => Math.max(0, share)

const percent = (share: number) => `${(100 * share).toFixed(1)}%`

/** Whether what is recovered says what it seems to. */
export function scrubChecks(found: JudgedHypothesis): Check[] {
  const { difference, loss, klRecovered, medianKl, highKl, control } = found
  return [
    atLeast(
      {
        name: 'the model knows more than random examples tell',
        claimed: `its loss is at least ${SMALLEST_DIFFERENCE} nats lower`,
        why: 'what is recovered is a share of this difference',
      },
      difference,
      SMALLEST_DIFFERENCE,
    ),
    atMost(
      {
        name: 'per-example KL tells the same as the mean loss',
        claimed: `the shares of loss and of KL that are recovered differ by at most ${percent(SAME_STORY)}`,
        why: 'errors that cancel in the mean loss (too much here, too little there) do not cancel in the KL of each example: trust the KL',
      },
      Math.abs(atLeastNothing(loss.recovered) - atLeastNothing(klRecovered)),
      SAME_STORY,
      `loss ${percent(loss.recovered)}, KL ${percent(klRecovered)} (median ${medianKl.toFixed(3)} nats, 90th percentile ${highKl.toFixed(3)})`,
    ),
    controlCheck(loss, control),
    exchangeCheck(found),
    balanceCheck(found),
    atMost(
      {
        name: 'enough samples',
        claimed: `the 95% interval of what is recovered, less than nothing taken for nothing, is at most ${percent(WIDEST)} wide`,
        why: 'draw more samples, or give more examples, before comparing hypotheses',
      },
      atLeastNothing(loss.high) - atLeastNothing(loss.low),
      WIDEST,
      `${percent(loss.low)} to ${percent(loss.high)}`,
    ),
  ]
}

function controlCheck(loss: RecoveredShare, control: RecoveredShare | null): Check {
  const claim = {
    name: 'a random hypothesis fails',
    claimed: `with the features' values permuted among the examples, at least ${percent(CONTROL_GAP)} less is recovered`,
  }
  if (control === null)
    return notTested(claim, 'no node has a feature that differs between examples, so there is nothing to permute')
  return atLeast(
    {
      ...claim,
      why: 'where labels without meaning do as well, the features explain nothing: what matters is which parts are kept',
    },
    loss.recovered - control.recovered,
    CONTROL_GAP,
    `${percent(loss.recovered)} with the features, ${percent(control.recovered)} with permuted ones`,
  )
}

function exchangeCheck({ exchanged }: JudgedHypothesis): Check {
  const claim = {
    name: 'something is exchanged',
    claimed: `for every node, at least ${percent(EXCHANGED)} of the examples that stand in are other ones`,
  }
  const [least] = [...exchanged].sort((a, b) => a.share - b.share)
  if (least === undefined) return notTested(claim, 'no node has a feature: every node is taken from the example itself')
  return atLeast(
    {
      ...claim,
      why: 'a feature that few examples share puts the example itself in its place, and so passes without a test: give more examples, or a coarser feature',
    },
    least.share,
    EXCHANGED,
    `least '${least.name}': ${percent(least.share)}`,
  )
}

function balanceCheck({ balance, klRecovered, balanced }: JudgedHypothesis): Check {
  const { constant, together, hidden } = balance
  const claim = {
    name: 'the data vary every input by itself',
    claimed: `no position varies less than it could or follows another; else the hypothesis recovers within ${percent(BALANCE_GAP)} as much of the KL where those are drawn anew`,
    why: 'an input that does not vary, or follows another one, is never exchanged for a different one: that it matters cannot show on these data',
  }
  const said = [
    ...(constant.length > 0
      ? [
          `position${constant.length > 1 ? 's' : ''} ${constant.join(', ')} ${constant.length > 1 ? 'vary less than they could' : 'varies less than it could'}`,
        ]
      : []),
    ...together
      .slice(0, 3)
      .map(
        ({ positions, share }) => `positions ${positions.join(' and ')} share ${percent(share)} of their information`,
      ),
  ].join('; ')
  if (hidden.length === 0) return judged(claim, 'all do', BALANCE_GAP, true)
  if (balanced === null)
    return notTested(
      claim,
      `${said}; with columns of labels the data cannot be drawn anew: give examples in which these vary`,
    )
  return atLeast(
    claim,
    atLeastNothing(balanced) - atLeastNothing(klRecovered),
    -BALANCE_GAP,
    `${said}; drawn anew, ${percent(balanced)} of the KL is recovered, ${percent(klRecovered)} on these data`,
  )
}
