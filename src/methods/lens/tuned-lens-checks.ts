import type { Model } from '../../lab/index.ts'
import { atLeast, atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { HeldOutLens } from './tuned-lens.ts'
import type { LensTraining, TrainedLens } from './tuned-lens-translators.ts'

/** What the checks of a tuned lens look at. */
export interface LensRun {
  readonly model: Model
  readonly lens: TrainedLens | undefined
  readonly heldOut: HeldOutLens | null
  readonly training: LensTraining
  /** Of every prompt: the largest difference of a log-probability between the last row and the model. */
  readonly furthest: readonly number[]
}

/** In nats: differences below this are rounding. */
const ROUNDING = 1e-4
/** What the tuned lens's bias may be of the logit lens's, in the first half of the rows, or in nats. */
const BIAS_SHARE = 0.1
const SMALL_BIAS = 0.01
/** How much larger the KL on held-out text may be than on the training text, or in nats. */
const GAP = 1.25
const SMALL_GAP = 0.01
/** Deeper rows may be worse than earlier ones by this share, or in nats. */
const NOISE = 0.02
const SMALL_RISE = 0.01
/** A control may come this close below a constant guess by chance. */
const CONTROL_LEEWAY = 0.02

/** What a tuned lens assumes, measured on its held-out text. */
export function tunedLensChecks({ model, lens, heldOut, training, furthest }: LensRun): Check[] {
  const { logit, tuned, trainingKl } = heldOut!
  const last = tuned.kl.length - 1
  const rows = tuned.kl.map((_, row) => row).slice(0, last)
  const name: Naming = (row) => (row === 0 ? 'embed' : String(row - 1))
  const worstOf = (values: readonly number[]) => values.indexOf(Math.max(...values))
  const excess = rows.map((row) => tuned.kl[row]! - logit.kl[row]!)
  const worst = worstOf(excess)
  const early = rows.filter((row) => row < Math.max(1, last / 2))
  const biases = early.map((row) =>
    Math.min(tuned.bias[row]! / Math.max(logit.bias[row]!, ROUNDING), (tuned.bias[row]! / SMALL_BIAS) * BIAS_SHARE),
  )
  const biased = worstOf(biases)
  const rises = rows.slice(1).map((row) => tuned.kl[row]! - tuned.kl[row - 1]! * (1 + NOISE))
  const rise = worstOf(rises) + 1
  return [
    atMost(
      {
        name: 'the lens at the last layer is the model',
        claimed: 'it differs by less than 1e-4',
        why: 'the last row has no translator: otherwise the lens applies another final norm or unembedding than the model',
      },
      Math.max(tuned.kl[last]!, ...furthest),
      1e-4,
    ),
    atMost(
      {
        name: 'the tuned lens is at least as close as the logit lens',
        claimed: 'KL(final || row) on held-out text at most that of the logit lens in every row',
        why: 'translators start as the logit lens: one that is worse was trained too little, too fast, or on other text',
      },
      excess[worst]!,
      ROUNDING,
      `${tuned.kl[worst]!.toFixed(3)} nats against ${logit.kl[worst]!.toFixed(3)} where it gains least (row ${name(worst)})`,
    ),
    atMost(
      {
        name: 'the tuned lens has no bias',
        claimed: `KL of marginals at most ${BIAS_SHARE} of the logit lens's (or ${SMALL_BIAS} nats) in the first half of the rows`,
        why: 'a lens whose overall token frequencies are off says what it sees in every text, not what is expected in this one',
      },
      biases[biased]!,
      BIAS_SHARE,
      `${tuned.bias[biased]!.toFixed(4)} nats against ${logit.bias[biased]!.toFixed(4)} at worst (row ${name(biased)})`,
    ),
    rises.length === 0
      ? notTested({ name: 'later rows are closer', claimed: 'KL does not rise with depth' }, 'there is one row only')
      : judged(
          {
            name: 'later rows are closer',
            claimed: `KL does not rise from row to row, but for ${100 * NOISE} % and ${SMALL_RISE} nats`,
            why: 'whatever can be read linearly from one layer can be read after the next unless it is erased: a rise says that training was too short',
          },
          `${tuned.kl[rise - 1]!.toFixed(3)} to ${tuned.kl[rise]!.toFixed(3)} nats from row ${name(rise - 1)} to ${name(rise)} at worst`,
          0,
          rises[rise - 1]! <= SMALL_RISE,
        ),
    gapCheck(tuned.kl, trainingKl, rows, name),
    controlCheck(heldOut!, rows, name),
    training.text === 'given'
      ? judged(
          {
            name: 'trained on given text',
            claimed: 'text was given',
            why: 'a lens knows the text that it was trained on',
          },
          `${training.tokens} tokens of given text`,
          1,
          true,
        )
      : notTested(
          { name: 'trained on given text', claimed: 'text was given' },
          "no text was given, so the model's own samples were the text: whether the lens holds on other text is not known. Give the text that the model is used on",
        ),
    ...(lens ? [ownModel(model, lens)] : []),
    ...(training.stepsDone < training.steps
      ? [
          judged(
            {
              name: 'the training was finished',
              claimed: 'all steps were done',
              why: 'a lens that was cut short is too weak',
            },
            `${training.stepsDone} of ${training.steps} steps`,
            training.steps,
            false,
          ),
        ]
      : []),
  ]
}

/** How people call a row. */
type Naming = (row: number) => string

function gapCheck(
  heldOut: readonly number[],
  training: readonly number[] | null,
  rows: readonly number[],
  name: Naming,
): Check {
  const claim = {
    name: 'the lens holds on text that it has not seen',
    claimed: `KL on held-out text at most ${GAP} times that on the training text, or ${SMALL_GAP} nats more, in every row`,
    why: 'd_model x d_model numbers per row learn a short text by heart: more text, fewer steps or more weight decay help',
  }
  if (!training) return notTested(claim, 'the lens was trained before, on text that is not here')
  const ratios = rows.map((row) =>
    heldOut[row]! - training[row]! <= SMALL_GAP
      ? Math.min(GAP, heldOut[row]! / training[row]!)
      : heldOut[row]! / training[row]!,
  )
  const worst = ratios.indexOf(Math.max(...ratios))
  return atMost(
    claim,
    ratios[worst]!,
    GAP,
    `${heldOut[worst]!.toFixed(3)} nats held out, ${training[worst]!.toFixed(3)} in training at worst (row ${name(worst)})`,
  )
}

function controlCheck({ controlKl, unigram, logit }: HeldOutLens, rows: readonly number[], name: Naming): Check {
  const claim = {
    name: 'a lens trained on shuffled targets knows nothing',
    claimed: `its KL is not more than ${100 * CONTROL_LEEWAY} % below both that of a constant guess of token frequencies and that of the logit lens, from which it starts, in every row`,
    why: 'otherwise held-out text is not held out, or the measure rewards something else than reading the stream',
  }
  if (!controlKl) return notTested(claim, 'no control was trained')
  const ratios = rows.map((row) => controlKl[row]! / Math.max(Math.min(unigram, logit.kl[row]!), ROUNDING))
  const worst = ratios.indexOf(Math.min(...ratios))
  return atLeast(
    claim,
    ratios[worst]!,
    1 - CONTROL_LEEWAY,
    `${controlKl[worst]!.toFixed(3)} nats; ${unigram.toFixed(3)} for the constant guess, ${logit.kl[worst]!.toFixed(3)} for the logit lens (row ${name(worst)})`,
  )
}

function ownModel({ name, revision, processing }: Model, { card }: TrainedLens): Check {
  const same = card.model === name && card.revision === revision && String(card.processing) === String(processing)
  const said = (one: Pick<Model, 'name' | 'revision' | 'processing'>) =>
    [one.name, ...(one.revision ? [one.revision] : []), ...one.processing].join(' ')
  return judged(
    {
      name: 'the lens was trained on this model',
      claimed: 'model, revision and processing are those of the lens',
      why: 'a lens of another model of the same shape reads another basis',
    },
    same
      ? said({ ...card, name: card.model })
      : `the lens is of ${said({ ...card, name: card.model })}, the model is ${said({ name, revision, processing })}`,
    1,
    same,
  )
}
