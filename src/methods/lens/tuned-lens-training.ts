import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { batchLayout } from '../../lab/layouts/batch.ts'
import { tappedForward } from '../../lab/tapped-forward.ts'
import { unembed } from '../../models/parts/embed.ts'
import { compileTrainingStep, type TrainingState, type TrainingStep } from '../../optim/index.ts'
import { permutation, randomSource } from '../../random/index.ts'
import { divergence } from './lens-readout.ts'
import type { ActivationPool } from './tuned-lens-activations.ts'
import { type Translators, translate, zeroTranslators } from './tuned-lens-translators.ts'

/** How translators are fitted. */
export interface LensFit {
  readonly steps: number
  readonly tokensPerStep: number
  /** Adam's largest rate; it falls linearly to 0. */
  readonly learningRate: number
  /** Pulls translators towards the identity. */
  readonly weightDecay: number
}

/** Where a fit stands. */
export interface FittedLens {
  readonly translators: Translators
  readonly stepsDone: number
  /** Means over the lens's rows of KL(final || lens) on each step's tokens, in nats. */
  readonly losses: readonly number[]
}

/** Logits of one micro-batch, in numbers: [lens rows, tokens, V] and what its gradient needs. */
const MOST_LOGITS = 2 ** 25
/** How long the event loop may wait for a turn. */
const TURN_MS = 50

/** A compiled fit: forward, KL, backward and Adam in one graph, over micro-batches that bound its memory. */
export class LensFitter {
  private readonly model: Model
  private readonly fit: LensFit
  private readonly step: TrainingStep
  private readonly rows: number
  private readonly accumulate: number

  constructor(model: Model, fit: LensFit) {
    const { config } = model
    const lensRows = config.n_layers
    this.model = model
    this.fit = fit
    const fitting = Math.max(1, Math.floor(MOST_LOGITS / (lensRows * config.d_vocab_out)))
    this.accumulate = Math.ceil(fit.tokensPerStep / fitting)
    this.rows = Math.ceil(fit.tokensPerStep / this.accumulate)
    const frozen = tappedForward(config, model.weights, batchLayout(config, [[0]]), {
      hook: (_, x) => x,
      wants: () => false,
    })
    this.step = compileTrainingStep(model.engine, {
      parameters: [
        { name: 'weight', shape: [lensRows, config.d_model, config.d_model], decays: true },
        { name: 'bias', shape: [lensRows, 1, config.d_model], decays: true },
      ],
      batch: {
        streams: { dtype: 'float32', shape: [lensRows, this.rows, config.d_model] },
        final: { dtype: 'float32', shape: [this.rows, config.d_model] },
      },
      loss: (parameters, { streams, final }) => {
        const translated = translate(streams!, parameters.get('weight')!, parameters.get('bias')!)
        const kl = divergence(unembed(frozen, final!).logSoftmax(), unembed(frozen, translated).logSoftmax())
        // Rows of the lens are fitted independently: Adam scales each parameter's gradient by itself.
        return { loss: kl.mean() }
      },
      optimiser: {
        name: 'adamw',
        learningRate: fit.learningRate,
        weightDecay: fit.weightDecay,
        decays: 'all',
        betas: [0.9, 0.999],
        epsilon: 1e-8,
      },
      schedule: { warmup: 0, shape: 'linear', final: 0 },
      lastStep: fit.steps,
      accumulate: this.accumulate,
      weights: model.weights.stored,
    })
  }

  /**
   * Fits translators from zero on the pool's tokens. With `shuffledBy`, every token's final stream is that of another one: the
   * control, which can learn no more than how often tokens are predicted. When the work is cancelled, gives what was fitted so far.
   */
  async run(
    pool: ActivationPool,
    { signal, onProgress, phase, shuffledBy }: WorkOptions & { phase: string; shuffledBy?: number },
  ): Promise<FittedLens> {
    const { fit, rows, accumulate } = this
    const zero = zeroTranslators(this.model.config)
    let state: TrainingState = this.step.start(
      new Map([
        ['weight', zero.weight],
        ['bias', zero.bias],
      ]),
    )
    const losses: number[] = []
    const started = performance.now()
    let turned = started
    while (state.step < fit.steps && !signal?.aborted) {
      try {
        const { streams, final } = await this.batch(
          pool,
          shuffledBy === undefined ? undefined : shuffledBy + state.step,
        )
        const { state: next, measures } = await this.step.run(state, { streams, final }, { signal })
        state = next
        losses.push(measures[0]!.loss)
      } catch (error) {
        if (!signal?.aborted) throw error
        break
      }
      const seconds = (performance.now() - started) / 1000
      onProgress?.({
        phase,
        done: state.step,
        total: fit.steps,
        unit: 'steps',
        etaSeconds: (seconds / state.step) * (fit.steps - state.step),
        detail: `KL ${losses.at(-1)!.toPrecision(3)} nats, ${Math.round((state.step * rows * accumulate) / seconds)} tokens/s`,
      })
      if (performance.now() - turned >= TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0))
        turned = performance.now()
      }
    }
    const translators = {
      layers: zero.layers,
      weight: state.parameters.get('weight')!,
      bias: state.parameters.get('bias')!,
    }
    return { translators, stepsDone: state.step, losses }
  }

  release(): void {
    this.step.release()
  }

  /** Micro-batches of one step, [1, accumulate, ...]. */
  private async batch(pool: ActivationPool, shuffledBy: number | undefined) {
    const { rows, accumulate } = this
    const { d_model, n_layers } = this.model.config
    const streams = new Float32Array(accumulate * n_layers * rows * d_model)
    const final = new Float32Array(accumulate * rows * d_model)
    for (let part = 0; part < accumulate; part++) {
      const batch = await pool.next(rows)
      streams.set(batch.streams, part * batch.streams.length)
      final.set(batch.final, part * batch.final.length)
    }
    return { streams, final: shuffledBy === undefined ? final : shuffledRows(final, d_model, shuffledBy) }
  }
}

/** The rows [n, width] in random order. */
function shuffledRows(values: Float32Array, width: number, seed: number): Float32Array {
  const order = permutation(values.length / width, randomSource(seed, 'tuned lens', 'shuffled targets'))
  const result = new Float32Array(values.length)
  order.forEach((from, to) => {
    result.set(values.subarray(from * width, (from + 1) * width), to * width)
  })
  return result
}
