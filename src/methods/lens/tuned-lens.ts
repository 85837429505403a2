/**
 * Tuned lens: what would the model say after layer l, once its residual stream is put into the basis of the last layer?
 *
 * For every row l but the last an affine translator is fitted, from the identity, so that the frozen final norm and unembedding
 * say what the model says in the end:
 *
 *     logits_l = W_U . norm_final(h_l + h_l A_l + b_l) + b_U        minimises   mean over tokens of KL(p_final || p_l)
 *
 * Runs: residual streams of a training text, in batches; Adam on all translators in one compiled step; then logit lens and tuned
 * lens on held-out text, and the tuned lens on the prompts. Reported per row: KL(final || row), and the bias, the KL of the
 * two distributions averaged over tokens. Without a text the model's own samples are the text.
 *
 * Paper: Belrose et al. 2303.08112. Here Adam stands in place of SGD with Nesterov momentum.
 *
 * How it misleads: a translator is a probe. It may read what later layers never use, and it knows the text that it was
 * trained on: a low KL says that the final answer can be read off linearly, not that the model has it there. Too little training
 * looks like a model that knows nothing early.
 */
import { DiopterError, throwIfAborted } from '../../errors/index.ts'
import type { Model, Prompt, Provenance, TokenizedPrompt } from '../../lab/index.ts'
import { CANCELLED_CHECKS, keepDone, unlessCancelled } from '../shared/keep-done.ts'
import { requireTopK } from '../shared/likely-tokens.ts'
import type { MethodOptions } from '../shared/options.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { type LensReading, lensHooks, lensReadings, lensReadout, type Translate } from './lens-readout.ts'
import { ActivationPool } from './tuned-lens-activations.ts'
import { type LensRun, tunedLensChecks } from './tuned-lens-checks.ts'
import { constantKl, type LensMeasures, measureLenses } from './tuned-lens-measures.ts'
import { type LensText, ownSamples, splitTexts } from './tuned-lens-text.ts'
import { type FittedLens, type LensFit, LensFitter } from './tuned-lens-training.ts'
import { type LensTraining, type TrainedLens, type Translators, translation } from './tuned-lens-translators.ts'

/** How a tuned lens is made, measured and shown. */
export interface TunedLensOptions extends MethodOptions, Partial<LensFit> {
  /** How many of the most probable tokens to give per cell; 5 unless said. */
  readonly topK?: number
  /** What translators are trained and measured on; samples of the model itself unless given. */
  readonly texts?: readonly Prompt[]
  /** At most this many tokens of the texts; 16384 unless said. */
  readonly tokens?: number
  /** Longer texts are cut into sequences of this many tokens; 128 unless said, less where the context is shorter. */
  readonly sequenceLength?: number
  /** Whether a second lens is trained on shuffled targets; true unless said. It doubles the training. */
  readonly control?: boolean
  /** A lens that is trained already: it is measured and used, and nothing is trained. */
  readonly lens?: TrainedLens
  /** Whether the result holds the translators; false unless said: they are rows x d_model x d_model numbers. */
  readonly keepTranslators?: boolean
}

/** Both lenses on text that the tuned one was not trained on; all lists by row. */
export interface HeldOutLens {
  readonly tokens: number
  readonly logit: LensMeasures
  readonly tuned: LensMeasures
  /** KL(final || how often tokens are predicted in the training text), in nats: what a constant guess reaches. */
  readonly unigram: number
  /** The tuned lens on text that it was trained on; null for a lens that was trained before. */
  readonly trainingKl: readonly number[] | null
  /** A lens that was trained on shuffled targets; null where there is none. */
  readonly controlKl: readonly number[] | null
}

/** What the tuned lens gives. */
export interface TunedLensValues {
  /** `embed` (before block 0), then the number of the block that a row comes after. The last is the model itself. */
  readonly layers: readonly string[]
  readonly training: LensTraining
  /** Training KL of every step, mean over rows, in nats; empty for a lens that was trained before. */
  readonly losses: readonly number[]
  /** Null when the work was cancelled before it was measured. */
  readonly heldOut: HeldOutLens | null
  readonly prompts: readonly {
    readonly prompt: TokenizedPrompt
    /** The tuned lens's readings, [row][position]. */
    readonly cells: readonly (readonly LensReading[])[]
  }[]
  /** h becomes h + h A + b; null unless kept. */
  readonly translators: {
    readonly weight: LensArray
    readonly bias: LensArray
  } | null
}

/** An array of translators. */
export interface LensArray {
  readonly axes: readonly string[]
  readonly shape: readonly number[]
  readonly dtype: 'float32'
  readonly data: Float32Array
}

/** Adam's numbers unless others are given. */
export const LENS_FIT: LensFit = { steps: 250, tokensPerStep: 256, learningRate: 3e-3, weightDecay: 1e-3 }
const TOKENS = 16_384
const LENGTH = 128

/**
 * Trains a tuned lens (or takes a trained one), measures it beside the logit lens on held-out text, and reads the prompts through it.
 * Throws when `topK` exceeds the vocabulary or the texts are too few.
 */
export async function tunedLens(
  model: Model,
  prompts: readonly Prompt[],
  options: TunedLensOptions = {},
): Promise<MethodResult<TunedLensValues>> {
  const { topK = 5, seed = 0, signal, edits, prependBos, control = true, lens, keepTranslators = false } = options
  requireTopK(model, topK)
  const meter = new Meter(model)
  const { layers } = lensHooks(model.config)
  const text = await lensText(model, options)
  const fit: LensFit = {
    steps: options.steps ?? LENS_FIT.steps,
    tokensPerStep: options.tokensPerStep ?? LENS_FIT.tokensPerStep,
    learningRate: options.learningRate ?? LENS_FIT.learningRate,
    weightDecay: options.weightDecay ?? LENS_FIT.weightDecay,
  }
  const { fitted, shuffled } = lens ? { fitted: fromTrained(lens), shuffled: null } : await train()
  const { translators, stepsDone } = fitted
  const trained: LensTraining = lens?.card.training ?? {
    text: options.texts ? 'given' : "the model's own samples",
    tokens: countTokens(text.training),
    heldOutTokens: countTokens(text.heldOut),
    ...fit,
    seed,
    stepsDone,
  }
  const cutShort = !lens && stepsDone < fit.steps
  const measured = cutShort ? null : await unlessCancelled(signal, measure)
  const heldOut = measured?.heldOut ?? null
  // A lens that was cancelled is shown as far as it came.
  const shown = cutShort ? { ...options, signal: undefined } : options
  const read = await readPrompts(shown)
  const furthest = read.results.map((prompt) => prompt.furthest)
  return {
    values: {
      layers,
      training: trained,
      losses: fitted.losses,
      heldOut,
      prompts: read.results.map(({ prompt, cells }) => ({ prompt, cells })),
      translators: keepTranslators ? translatorArrays(model, translators) : null,
    },
    checks: measured ? tunedLensChecks({ model, lens, ...measured, training: trained, furthest }) : CANCELLED_CHECKS,
    cost: meter.cost,
    edits: meter.edits,
    provenance: read.provenance ?? model.provenance({ prompts: [model.tokenize(text.heldOut[0]!)], seed }),
    complete: heldOut !== null && read.complete,
  }

  async function train(): Promise<{ fitted: FittedLens; shuffled: FittedLens | null }> {
    const fitter = new LensFitter(model, fit)
    try {
      const pool = () => new ActivationPool(model, text.training, meter, options)
      const own = await fitter.run(pool(), { ...options, phase: 'training the lens' })
      if (own.stepsDone === 0) throwIfAborted(signal)
      if (!control || own.stepsDone < fit.steps) return { fitted: own, shuffled: null }
      const second = await fitter.run(pool(), { ...options, phase: 'training the control', shuffledBy: seed })
      return { fitted: own, shuffled: second.stepsDone < fit.steps ? null : second }
    } finally {
      fitter.release()
    }
  }

  async function measure(): Promise<Pick<LensRun, 'heldOut' | 'bySequence'>> {
    const lenses: Record<string, Translate> = {
      logit: same,
      tuned: translation(model.config, translators),
      ...(shuffled ? { control: translation(model.config, shuffled.translators) } : {}),
    }
    const held = await measureLenses(model, text.heldOut, lenses, meter, options)
    // As much of the training text as there is held-out text: how far the lens has learned it by heart.
    const sample = text.training.slice(0, text.heldOut.length)
    const training = await measureLenses(model, sample, { tuned: lenses.tuned! }, meter, options)
    const heldOut: HeldOutLens = {
      tokens: held.tokens,
      logit: held.lenses.logit!,
      tuned: held.lenses.tuned!,
      unigram: constantKl(held, training.marginal),
      trainingKl: lens ? null : training.lenses.tuned!.kl,
      controlKl: shuffled ? held.lenses.control!.kl : null,
    }
    const { logit, tuned } = held.bySequence
    return { heldOut, bySequence: { logit: logit!, tuned: tuned!, training: training.bySequence.tuned! } }
  }

  async function readPrompts(work: TunedLensOptions) {
    const readout = lensReadout(model.config, topK, translation(model.config, translators))
    let provenance: Provenance | undefined
    const { results, complete } = await keepDone(prompts, 'prompts', work, {
      work: async (prompt) => {
        const result = await meter.run([prompt], { edits, prependBos, signal: work.signal, readout })
        provenance ??= result.provenance
        const furthest = Number(result.readout.furthest![0]!.data[0])
        return { prompt: result.prompts[0]!, cells: lensReadings(model, result.readout, topK), furthest }
      },
    })
    return { results, complete, provenance }
  }
}

/** What is trained and measured on. */
async function lensText(model: Model, options: TunedLensOptions): Promise<LensText> {
  const { tokens = TOKENS, seed = 0, prependBos, texts } = options
  const length = Math.min(options.sequenceLength ?? LENGTH, model.config.n_ctx)
  const given = texts ?? (await ownSamples(model, { ...options, length, tokens, seed }))
  return splitTexts(model, given, { length, tokens, seed, prependBos })
}

const same: Translate = (resid) => resid

const fromTrained = ({ translators, card }: TrainedLens): FittedLens => ({
  translators,
  stepsDone: card.training.stepsDone,
  losses: [],
})

const countTokens = (sequences: readonly (readonly number[])[]) =>
  sequences.reduce((sum, { length }) => sum + length, 0)

function translatorArrays(
  { config: { d_model } }: Model,
  { layers, weight, bias }: Translators,
): TunedLensValues['translators'] {
  const rows = layers.length
  return {
    weight: { axes: ['row', 'd_model', 'd_model'], shape: [rows, d_model, d_model], dtype: 'float32', data: weight },
    bias: { axes: ['row', 'd_model'], shape: [rows, d_model], dtype: 'float32', data: bias },
  }
}

/** The trained lens of a result that kept its translators, to be saved or used again. Throws when it kept none. */
export function trainedLens(
  { model, revision, processing }: Pick<Provenance, 'model' | 'revision' | 'processing'>,
  values: TunedLensValues,
): TrainedLens {
  if (!values.translators) throw new DiopterError('The result holds no translators; ask for them with keepTranslators.')
  const layers = values.layers.slice(0, -1)
  const { weight, bias } = values.translators
  return {
    translators: { layers, weight: weight.data, bias: bias.data },
    card: { model, revision, processing, layers, d_model: bias.shape[1]!, training: values.training },
  }
}
