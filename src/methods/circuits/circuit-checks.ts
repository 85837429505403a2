import type { Model } from '../../lab/index.ts'
import { atLeast, type Check, judged, notTested } from '../shared/checks.ts'
import { IN_USE, STANDS_OUT } from './circuit-compositions.ts'
import { writesToLogits } from './circuit-layer.ts'
import type { CircuitValues, HeadCircuits, SuspiciousPairs } from './circuits.ts'

/** Correlation from which the circuit of tokens counts as what the head does. */
const EXPLAINED = 0.9
/** Centred eigenvalue copying score from which a head is said to copy, and the share of tokens that then must come first. */
const COPIES = 0.5
const OWN_FIRST = 0.5

const HIDDEN = {
  name: 'composition in use shows in the weights',
  claimed: `no earlier head makes ${100 * IN_USE} % of what a later one reads on these texts with a score below ${STANDS_OUT} deviations`,
  why: 'the score averages over d_head directions: a channel of one direction with little of the norm cannot be told from chance by it, though the model may live on it',
}

const nameOf = ({ layer, head }: { readonly layer: number; readonly head: number }) => `L${layer}H${head}`

/** What circuits assume, measured on the same weights and one real run. */
export function circuitChecks(model: Model, values: CircuitValues, complete: boolean, edits: number): Check[] {
  const { heads, suspicious } = values
  return [
    scoresCheck(heads),
    ...(model.config.positional_embedding_type === 'rotary' ? [distanceCheck(heads, values.distance)] : []),
    copyingCheck(values),
    ...(complete && model.config.n_layers > 1
      ? [
          pairsCheck(
            suspicious.byMean,
            {
              name: 'composition is no common direction',
              claimed: `no pair has a raw score ${STANDS_OUT} deviations above random directions and a centred one below that`,
              why: 'layer norms take the mean over d_model away: what is written along it is read by nobody',
            },
            STANDS_OUT,
            'through the mean over d_model alone',
          ),
          ...(model.config.post_norms
            ? [notTested(HIDDEN, 'norms behind the heads keep their outputs from being taken apart')]
            : [pairsCheck(suspicious.hidden, HIDDEN, IN_USE, 'in use')]),
        ]
      : [
          notTested(
            { name: 'composition', claimed: 'pairs of heads' },
            complete ? 'there is one layer only' : 'the work was cancelled before it',
          ),
        ]),
    ...(edits === 0
      ? []
      : [
          judged(
            {
              name: 'edits change what is shown',
              claimed: 'the circuits are those of the edited model',
              why: 'edits change activations, not weights: only behavioural copying and attention scores see them',
            },
            `${edits} edits`,
            0,
            false,
          ),
        ]),
  ]
}

function scoresCheck(heads: readonly HeadCircuits[]): Check {
  const claim = {
    name: 'the QK circuit of tokens is what attention does',
    claimed: `in a real run, it correlates with the attention scores at ${EXPLAINED} or more in every head, each query's mean taken away`,
    why: 'heads also read positions and what earlier layers wrote, which no table of tokens shows',
  }
  const known = heads.flatMap((head) => (head.scoresExplained === null ? [] : [{ head, value: head.scoresExplained }]))
  if (known.length === 0) return notTested(claim, 'no attention scores vary')
  const worst = known.reduce((a, b) => (b.value < a.value ? b : a))
  const good = known.filter(({ value }) => value >= EXPLAINED).length
  return atLeast(
    claim,
    worst.value,
    EXPLAINED,
    `${good} of ${known.length} heads reach it; ${nameOf(worst.head)} is lowest with ${worst.value.toFixed(2)}`,
  )
}

function distanceCheck(heads: readonly HeadCircuits[], distance: number): Check {
  const claim = {
    name: 'the QK circuit is the same at other distances',
    claimed: `with rotary positions, what is shown for distance ${distance} correlates with 1 to 16 positions more at ${EXPLAINED} or more in every head`,
    why: 'rotary positions turn queries against keys: QK in tokens is another matrix at every distance, and this is one of them',
  }
  const known = heads.flatMap((head) =>
    head.distanceAgreement === null ? [] : [{ head, value: head.distanceAgreement }],
  )
  if (known.length === 0) return notTested(claim, 'no scores vary')
  const worst = known.reduce((a, b) => (b.value < a.value ? b : a))
  return atLeast(claim, worst.value, EXPLAINED, `${nameOf(worst.head)} is lowest with ${worst.value.toFixed(2)}`)
}

function copyingCheck({ heads, randomCopying }: CircuitValues): Check {
  const least = Math.max(COPIES, randomCopying.mean + 3 * randomCopying.deviation)
  const said = heads.filter(({ copying, ov }) => copying.centred >= least && writesToLogits(ov))
  const wrong = said.filter(({ copying }) => copying.ownFirst < OWN_FIRST)
  const claim = {
    name: 'heads with positive eigenvalues copy',
    claimed: `of heads with a centred copying score from ${least.toFixed(2)} on, the OV circuit raises ${100 * OWN_FIRST} % of random tokens most themselves`,
    why: 'eigenvalues speak of the mean alone: a circuit that is not normal has none but positive ones and raises other tokens more',
  }
  if (said.length === 0) return notTested(claim, 'no head that writes to the logits has such a score')
  return judged(
    claim,
    wrong.length === 0
      ? `all ${said.length} such heads do`
      : `${wrong.length} of ${said.length} do not: ${wrong
          .slice(0, 6)
          .map((head) => `${nameOf(head)} (${Math.round(100 * head.copying.ownFirst)} %)`)
          .join(', ')}`,
    OWN_FIRST,
    wrong.length === 0,
    Math.min(...said.map(({ copying }) => copying.ownFirst)) - OWN_FIRST,
  )
}

function pairsCheck(
  { pairs, largest }: SuspiciousPairs,
  claim: { readonly name: string; readonly claimed: string; readonly why: string },
  threshold: number,
  how: string,
): Check {
  const listed = pairs.slice(0, 4).map(({ kind, from, to }) => `${kind} ${nameOf(from)} -> ${nameOf(to)}`)
  return judged(
    claim,
    pairs.length === 0 ? 'none' : `${how}: ${listed.join(', ')}${pairs.length > 4 ? ' ...' : ''}`,
    threshold,
    pairs.length === 0,
    largest === null ? threshold : threshold - largest,
  )
}
