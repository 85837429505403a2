import type { Model } from '../../lab/index.ts'
import { atLeast, atMost, type Check, judged, notTested } from '../shared/checks.ts'
import { mean, standardDeviation, studentQuantile } from '../shared/statistics.ts'
import type { HeldOutLens } from './tuned-lens.ts'
import type { SequenceKl } from './tuned-lens-measures.ts'
import type { LensTraining, TrainedLens } from './tuned-lens-translators.ts'

/** What the checks of a tuned lens look at. */
export interface LensRun {
  readonly model: Model
  readonly lens: TrainedLens | undefined
  readonly heldOut: HeldOutLens
  /** Both lenses on the held-out sequences, and the tuned one on as many training sequences. */
  readonly bySequence: Readonly<Record<'logit' | 'tuned' | 'training', SequenceKl>>
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
export function tunedLensChecks({ model, lens, heldOut, bySequence, training, furthest }: LensRun): Check[] {
  const { tuned } = heldOut
  const last = tuned.kl.length - 1
  const rows = tuned.kl.map((_, row) => row).slice(0, last)
  const name: Naming = (row) => (row === 0 ? 'embed' : String(row - 1))
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
    closenessCheck(bySequence, rows, name),
    biasCheck(heldOut, name),
    depthCheck(bySequence, rows, name),
    gapCheck(bySequence, heldOut.trainingKl !== null, rows, name),
    controlCheck(heldOut, rows, name),
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

/** How far a row is beyond what a check allows, in nats, with its 95 % interval over sequences. */
interface Excess {
  readonly row: number
  readonly low: number
  readonly high: number
  readonly said: string
}

/** Held-out text is a sample: a check fails where a row is beyond the bar for sure, and says nothing where chance could decide. */
function judgedBySample(claim: Parameters<typeof notTested>[0] & { why: string }, excesses: readonly Excess[]): Check {
  const worst = excesses.find(({ low }) => Number.isNaN(low)) ?? excesses.reduce((a, b) => (b.low > a.low ? b : a))
  if (!(worst.low <= 0)) return judged(claim, worst.said, 0, false, -worst.low)
  const open = excesses.find(({ high }) => !(high <= 0))
  if (open)
    return notTested(
      claim,
      `too little held-out text to tell: ${open.said}, which is ${open.low.toFixed(3)} to ${open.high.toFixed(3)} nats beyond what is allowed (95 % interval over sequences). Give more text`,
    )
  return judged(claim, worst.said, 0, true, -worst.high)
}

function excessOf(row: number, means: number, error: number, freedom: number, said: string): Excess {
  const reach = studentQuantile(freedom) * error
  return { row, low: means - reach, high: means + reach, said }
}

const ONE_SEQUENCE = 'one held-out sequence has no interval: give more text, or a smaller sequence length'

const standardError = (values: readonly number[]) => standardDeviation(values) / Math.sqrt(values.length)

function closenessCheck({ logit, tuned }: LensRun['bySequence'], rows: readonly number[], name: Naming): Check {
  const claim = {
    name: 'the tuned lens is at least as close as the logit lens',
    claimed: 'KL(final || row) on held-out text at most that of the logit lens in every row',
    why: 'translators start as the logit lens: one that is worse was trained too little, too fast, on too little text or on other text',
  }
  const sequences = tuned[0]!.length
  if (sequences < 2) return notTested(claim, ONE_SEQUENCE)
  return judgedBySample(
    claim,
    rows.map((row) => {
      const differences = tuned[row]!.map((kl, i) => kl - logit[row]![i]!)
      const said = `${mean(tuned[row]!).toFixed(3)} nats against ${mean(logit[row]!).toFixed(3)} in row ${name(row)}`
      return excessOf(row, mean(differences) - ROUNDING, standardError(differences), sequences - 1, said)
    }),
  )
}

function depthCheck({ tuned }: LensRun['bySequence'], rows: readonly number[], name: Naming): Check {
  const claim = {
    name: 'later rows are closer',
    claimed: `KL does not rise from row to row, but for ${100 * NOISE} % and ${SMALL_RISE} nats`,
    why: 'whatever can be read linearly from one layer can be read after the next unless it is erased: a rise says that training was too short',
  }
  if (rows.length < 2) return notTested(claim, 'there is one row only')
  const sequences = tuned[0]!.length
  if (sequences < 2) return notTested(claim, ONE_SEQUENCE)
  return judgedBySample(
    claim,
    rows.slice(1).map((row) => {
      const rises = tuned[row]!.map((kl, i) => kl - (1 + NOISE) * tuned[row - 1]![i]!)
      const said = `${mean(tuned[row - 1]!).toFixed(3)} to ${mean(tuned[row]!).toFixed(3)} nats from row ${name(row - 1)} to ${name(row)}`
      return excessOf(row, mean(rises) - SMALL_RISE, standardError(rises), sequences - 1, said)
    }),
  )
}

function biasCheck({ logit, tuned }: HeldOutLens, name: Naming): Check {
  const claim = {
    name: 'the tuned lens has no bias',
    claimed: `KL of marginals at most ${BIAS_SHARE} of the logit lens's (or ${SMALL_BIAS} nats) in the first half of the rows`,
    why: 'a lens whose overall token frequencies are off says what it sees in every text, not what is expected in this one',
  }
  const { bias, chance } = tuned
  const early = bias.map((_, row) => row).filter((row) => row < Math.max(1, (bias.length - 1) / 2))
  const allowed = early.map((row) => Math.max(BIAS_SHARE * logit.bias[row]!, SMALL_BIAS))
  const beyond = early.map((row) => bias[row]! - allowed[row]!)
  // A row that chance does not explain comes first.
  const surely = early.map((row) => bias[row]! - Math.max(allowed[row]!, chance?.[row] ?? Number.POSITIVE_INFINITY))
  const worst = Math.max(...surely) > 0 ? surely.indexOf(Math.max(...surely)) : beyond.indexOf(Math.max(...beyond))
  const said = `${bias[worst]!.toFixed(4)} nats against ${logit.bias[worst]!.toFixed(4)} at worst (row ${name(worst)})`
  if (beyond[worst]! > 0 && surely[worst]! <= 0)
    return notTested(
      claim,
      chance
        ? `too little held-out text to tell: ${said}, and in so few sequences chance gives a lens without bias up to ${chance[worst]!.toFixed(4)}. Give more text`
        : ONE_SEQUENCE,
    )
  return judged(claim, said, allowed[worst]!, beyond[worst]! <= 0, -beyond[worst]!)
}

function gapCheck(
  { tuned, training }: LensRun['bySequence'],
  isTrained: boolean,
  rows: readonly number[],
  name: Naming,
): Check {
  const claim = {
    name: 'the lens holds on text that it has not seen',
    claimed: `KL on held-out text at most ${GAP} times that on the training text, or ${SMALL_GAP} nats more, in every row`,
    why: 'd_model x d_model numbers per row learn a short text by heart: more text, fewer steps or more weight decay help',
  }
  if (!isTrained) return notTested(claim, 'the lens was trained before, on text that is not here')
  const sequences = Math.min(tuned[0]!.length, training[0]!.length)
  if (sequences < 2) return notTested(claim, ONE_SEQUENCE)
  return judgedBySample(
    claim,
    rows.map((row) => {
      const [seen, unseen] = [mean(training[row]!), mean(tuned[row]!)]
      const factor = (GAP - 1) * seen > SMALL_GAP ? GAP : 1
      const allowed = Math.max(GAP * seen, seen + SMALL_GAP)
      const error = Math.hypot(standardError(tuned[row]!), factor * standardError(training[row]!))
      const said = `${unseen.toFixed(3)} nats held out, ${seen.toFixed(3)} in training in row ${name(row)}`
      return excessOf(row, unseen - allowed, error, sequences - 1, said)
    }),
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
