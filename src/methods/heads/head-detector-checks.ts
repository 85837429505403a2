import { atLeast, atMost, type Check, judged, notTested } from '../shared/checks.ts'
import { rankCorrelation } from '../shared/statistics.ts'
import type { DetectorScores, HeadDetectorValues, ScoredHead } from './head-detectors.ts'
import { byShareBeyond, FOUND_BEYOND_NULL, type HeadJob, isContentJob } from './head-findings.ts'
import { HEAD_PATTERNS, type HeadPattern } from './head-patterns.ts'

/** At most this share of a finding may be a habit of position. */
const HABIT = 0.5
/** A position score keeps at least this share when tokens are shuffled. */
const SURVIVES = 0.5
/** Loss of the second copy as a share of the first's, when something looks repeats up. */
const USED = 0.8
const AGREES = 0.5

const nameOf = ({ layer, head }: Pick<ScoredHead, 'layer' | 'head'>) => `L${layer}H${head}`

/** Whether the findings stand. */
export function detectorChecks({
  ranking,
  random,
  text,
  repeatedLoss,
}: Pick<HeadDetectorValues, 'ranking' | 'random' | 'text' | 'repeatedLoss'>): Check[] {
  const best = HEAD_PATTERNS.flatMap((job) => byShareBeyond(job, random[job]).slice(0, 1))
  const highest = HEAD_PATTERNS.flatMap((name) => {
    const top = ranking[name][0]
    return top && top.score >= FOUND_BEYOND_NULL ? [{ name, top }] : []
  })
  return [
    contentCheck(
      best.filter(({ job }) => isContentJob(job)),
      highest.filter(({ name }) => isContentJob(name)),
    ),
    positionCheck(highest.filter(({ name }) => !isContentJob(name))),
    decidedCheck(best),
    isUsedCheck(
      best.find(({ job }) => job === 'induction'),
      repeatedLoss,
    ),
    textCheck(random, text),
  ]
}

type Highest = readonly { readonly name: HeadPattern; readonly top: ScoredHead }[]

const shuffling = (highest: Highest) =>
  highest
    .map(({ name, top }) => `${name} ${nameOf(top)}: ${top.score.toFixed(2)} to ${top.shuffled!.toFixed(2)}`)
    .join('; ')

function contentCheck(best: readonly HeadJob[], highest: Highest): Check {
  const claim = {
    name: 'content scores are not habits of position',
    claimed: `of the best duplicate-token and induction head (where it reaches ${FOUND_BEYOND_NULL} beyond the null) at most ${HABIT * 100} % is left when the tokens are shuffled`,
    why: 'a head that always looks 24 tokens back scores on repeats of 25, and looks nothing up',
  }
  const found = best.filter(({ beyond }) => beyond >= FOUND_BEYOND_NULL)
  if (found.length === 0) {
    const habits =
      highest.length === 0 ? '' : `; scores that shuffling leaves are habits of position: ${shuffling(highest)}`
    return notTested(
      claim,
      `no head's duplicate-token or induction score reaches ${FOUND_BEYOND_NULL} beyond the null${habits}`,
    )
  }
  const left = found.map(({ score, beyond }) => (score - beyond) / score)
  const said = found.map(
    ({ job, score, beyond, ...head }) =>
      `${job} ${nameOf(head)}: ${score.toFixed(2)} to ${(score - beyond).toFixed(2)}`,
  )
  return atMost(claim, Math.max(...left), HABIT, said.join('; '))
}

function positionCheck(highest: Highest): Check {
  const claim = {
    name: 'position scores survive shuffled tokens',
    claimed: `the top previous-, current- and first-token head (where it reaches ${FOUND_BEYOND_NULL}) keeps at least ${SURVIVES * 100} % when the tokens are shuffled`,
    why: 'what other tokens lower came from these tokens, not from a habit of the head',
  }
  if (highest.length === 0) return notTested(claim, `no head's position score reaches ${FOUND_BEYOND_NULL}`)
  const kept = highest.map(({ top }) => top.shuffled! / top.score)
  return atLeast(claim, Math.min(...kept), SURVIVES, shuffling(highest))
}

function decidedCheck(best: readonly HeadJob[]): Check {
  const claim = {
    name: 'enough examples',
    claimed: `the best head of every job of attention lies, with its whole 95 % interval, on one side of ${FOUND_BEYOND_NULL} beyond the null`,
    why: 'a head in between neither does the job nor does it not: more examples narrow its interval (--examples)',
  }
  const known = best.filter(({ low, high }) => low !== null && high !== null)
  if (known.length === 0) return notTested(claim, 'a single example has no interval')
  const open = known.filter(({ low, high }) => low! < FOUND_BEYOND_NULL && high! > FOUND_BEYOND_NULL)
  const said = open.map(
    ({ job, beyond, low, high, ...head }) =>
      `${job} ${nameOf(head)}: ${beyond.toFixed(2)} [${low!.toFixed(2)}, ${high!.toFixed(2)}]`,
  )
  return judged(claim, open.length === 0 ? 'all do' : said.join('; '), FOUND_BEYOND_NULL, open.length === 0)
}

function isUsedCheck(top: HeadJob | undefined, { first, second }: HeadDetectorValues['repeatedLoss']): Check {
  const claim = {
    name: 'what induction heads find is used',
    claimed: `where an induction score reaches ${FOUND_BEYOND_NULL} beyond the null, the loss of the second copy is at most ${USED * 100} % of the first's`,
    why: 'heads may look at the right place and move nothing that predicts the next token',
  }
  if (!top || top.beyond < FOUND_BEYOND_NULL)
    return notTested(claim, `no head's induction score reaches ${FOUND_BEYOND_NULL} beyond the null`)
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
