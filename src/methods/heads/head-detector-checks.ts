import { atLeast, atMost, type Check, notTested } from '../shared/checks.ts'
import { rankCorrelation } from '../shared/statistics.ts'
import type { DetectorScores, HeadDetector, HeadDetectorValues, ScoredHead } from './head-detectors.ts'
import { CONTENT_PATTERNS, HEAD_PATTERNS } from './head-patterns.ts'

/** A score from here on is a finding. */
const FOUND = 0.3
/** At most this share of a finding may be a habit of position. */
const HABIT = 0.5
/** A position score keeps at least this share when tokens are shuffled. */
const SURVIVES = 0.5
const WIDEST = 0.2
/** Loss of the second copy as a share of the first's, when something looks repeats up. */
const USED = 0.8
const AGREES = 0.5

const nameOf = ({ layer, head }: ScoredHead) => `L${layer}H${head}`

/** Whether the findings stand. */
export function detectorChecks({
  ranking,
  random,
  text,
  repeatedLoss,
}: Pick<HeadDetectorValues, 'ranking' | 'random' | 'text' | 'repeatedLoss'>): Check[] {
  const found = (names: readonly HeadDetector[]) =>
    names.flatMap((name) => {
      const top = ranking[name][0]
      return top && top.score >= FOUND ? [{ name, top }] : []
    })
  return [
    contentCheck(found(CONTENT_PATTERNS)),
    positionCheck(found(HEAD_PATTERNS.filter((name) => !CONTENT_PATTERNS.some((content) => content === name)))),
    intervalCheck(found(HEAD_PATTERNS)),
    isUsedCheck(ranking.induction[0], repeatedLoss),
    textCheck(random, text),
  ]
}

type Found = readonly { readonly name: HeadDetector; readonly top: ScoredHead }[]

function contentCheck(found: Found): Check {
  const claim = {
    name: 'content scores are not habits of position',
    claimed: `of the top duplicate-token and induction head (where it reaches ${FOUND}) at most ${HABIT * 100} % is left when the tokens are shuffled`,
    why: 'a head that always looks 24 tokens back scores on repeats of 25, and looks nothing up',
  }
  if (found.length === 0) return notTested(claim, `no head's duplicate-token or induction score reaches ${FOUND}`)
  const left = found.map(({ top }) => top.shuffled! / top.score)
  const said = found.map(
    ({ name, top }) => `${name} ${nameOf(top)}: ${top.score.toFixed(2)} to ${top.shuffled!.toFixed(2)}`,
  )
  return atMost(claim, Math.max(...left), HABIT, said.join('; '))
}

function positionCheck(found: Found): Check {
  const claim = {
    name: 'position scores survive shuffled tokens',
    claimed: `the top previous-, current- and first-token head (where it reaches ${FOUND}) keeps at least ${SURVIVES * 100} % when the tokens are shuffled`,
    why: 'what other tokens lower came from these tokens, not from a habit of the head',
  }
  if (found.length === 0) return notTested(claim, `no head's position score reaches ${FOUND}`)
  const kept = found.map(({ top }) => top.shuffled! / top.score)
  const said = found.map(
    ({ name, top }) => `${name} ${nameOf(top)}: ${top.score.toFixed(2)} to ${top.shuffled!.toFixed(2)}`,
  )
  return atLeast(claim, Math.min(...kept), SURVIVES, said.join('; '))
}

function intervalCheck(found: Found): Check {
  const claim = {
    name: 'enough examples',
    claimed: `the 95 % intervals of the top heads' scores are at most ${WIDEST} wide`,
    why: 'more examples narrow them (--examples)',
  }
  const widths = found.flatMap(({ top }) => (top.low === null || top.high === null ? [] : [top.high - top.low]))
  if (widths.length === 0)
    return notTested(claim, `a single example has no interval, or no head's score reaches ${FOUND}`)
  return atMost(claim, Math.max(...widths), WIDEST)
}

function isUsedCheck(top: ScoredHead | undefined, { first, second }: HeadDetectorValues['repeatedLoss']): Check {
  const claim = {
    name: 'what induction heads find is used',
    claimed: `where an induction score reaches ${FOUND}, the loss of the second copy is at most ${USED * 100} % of the first's`,
    why: 'heads may look at the right place and move nothing that predicts the next token',
  }
  if (!top || top.score < FOUND) return notTested(claim, `no head's induction score reaches ${FOUND}`)
  const said = `first copy ${first.mean.toFixed(2)} nats, second ${second.mean.toFixed(2)}`
  return atMost(claim, second.mean / first.mean, USED, said)
}

function textCheck(random: HeadDetectorValues['random'], text: HeadDetectorValues['text']): Check {
  const claim = {
    name: 'random tokens and text agree',
    claimed: `the heads' previous-token scores on random tokens and on text are rank-correlated by at least ${AGREES}`,
    why: 'random tokens are nothing that a model was trained on: where the two disagree, trust the text',
  }
  if (text === null) return notTested(claim, 'no text was given')
  const [a, b] = [random, text].map(({ previous }: { readonly previous: DetectorScores }) => previous.scores.flat())
  if (a!.length < 4 || b!.some((score) => score === null))
    return notTested(claim, 'fewer than four heads, or texts of a single token, have no order worth comparing')
  return atLeast(claim, rankCorrelation(a as number[], b as number[]), AGREES)
}
