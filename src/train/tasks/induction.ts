import * as v from 'valibot'
import { randomSource } from '../../random/index.ts'
import { count } from '../config.ts'
import type { Problem, Task } from '../problem.ts'
import { initialValues, type TrainableModel, toyModel } from '../trainable-model.ts'
import {
  nextTokenLosses,
  prefixEvaluation,
  previousTokenEvaluation,
  repeatsEvaluation,
  sequences,
  textEvaluation,
} from './induction/evaluations.ts'
import { plantedRepeats, type TextSource } from './induction/planted-repeats.ts'

const schema = v.pipe(
  v.strictObject({
    n_layers: v.optional(count, 2),
    d_model: v.optional(count, 128),
    n_heads: v.optional(count, 8),
    n_ctx: v.optional(v.pipe(count, v.multipleOf(32)), 256),
    vocabulary: v.optional(v.pipe(count, v.minValue(64)), 128),
    /** Successors of every token in the Markov text, per lag. */
    branching: v.optional(count, 4),
    /** `shortformer` positions reach queries and keys only; `standard` ones are added to the residual stream. */
    positions: v.optional(v.picklist(['shortformer', 'standard']), 'shortformer'),
    /** Sequences of one micro-batch. */
    batchSize: v.optional(count, 16),
  }),
  v.check(({ d_model, n_heads }) => d_model % n_heads === 0, 'd_model must be a multiple of n_heads'),
  v.check(({ d_model }) => d_model % 2 === 0, 'd_model must be even: positions begin as pairs of a sine and a cosine'),
  v.check(({ branching, vocabulary }) => branching <= vocabulary, 'branching cannot exceed the vocabulary'),
)

/** The config of the induction task, complete. */
export type InductionConfig = v.InferOutput<typeof schema>

/** The text that a config and seed train on: sequences of a start token and `n_ctx` more. */
export function inductionText(config: InductionConfig, seed: number): TextSource {
  return plantedRepeats({ ...config, length: config.n_ctx }, seed)
}

/** Attention-only transformers on text that repeats itself: where induction heads form (Elhage et al. 2021; Olsson et al. 2022). */
export const induction: Task<InductionConfig> = {
  name: 'induction',
  description: 'Next tokens of Markov text with planted repeats: two layers of attention suddenly learn induction.',
  schema,
  settings: {
    steps: 2000,
    optimiser: { name: 'adamw', learningRate: 1e-3 },
    schedule: { warmup: 50 },
    clip: 1,
    logEvery: 10,
    evaluate: { every: 50, perDecade: 10 },
    snapshots: { every: 200, perDecade: 6 },
  },

  create(config, seed): Problem {
    const { n_layers, d_model, n_heads, n_ctx, vocabulary, batchSize } = config
    const model = toyModel(
      {
        ...{ n_layers, d_model, n_heads, d_head: d_model / n_heads, attn_only: true, normalization_type: null, n_ctx },
        // the start token is read and never predicted
        ...{ d_vocab: vocabulary + 1, d_vocab_out: vocabulary, positional_embedding_type: config.positions },
      },
      [],
    )
    const draw = inductionText(config, seed)
    return {
      parameters: model.parameters,
      initial: () => firstValues(model, seed),
      batch: { tokens: { dtype: 'int64', shape: [batchSize, n_ctx + 1] } },
      microBatch: (index) => ({
        tokens: sequences(batchSize, (i) => draw(randomSource(seed, 'train', index * batchSize + i))).data,
      }),
      loss: (parameters, { tokens }) => ({ loss: nextTokenLosses(model, parameters, tokens!).losses.mean() }),
      evaluations: [
        textEvaluation(model, (i) => draw(randomSource(seed, 'test', i))),
        repeatsEvaluation(model, config, seed),
        prefixEvaluation(model, config, seed),
        previousTokenEvaluation(model, (i) => draw(randomSource(seed, 'test', i))),
      ],
      tokensPerBatch: batchSize * n_ctx,
      model,
    }
  },
}

/**
 * Random weights that keep the scale of what they multiply. Positions begin as sinusoids (Vaswani et al. 2017), in which a
 * fixed distance is a fixed rotation: a head can attend to the previous token early, as text rewards by itself.
 */
function firstValues({ parameters, config }: TrainableModel, seed: number): Map<string, Float32Array> {
  const { d_model, n_ctx } = config
  const values = initialValues(parameters, seed, (name) => (name === 'embed.W_E' ? 1 : 1 / Math.sqrt(d_model)))
  const sinusoids = Float32Array.from({ length: n_ctx * d_model }, (_, i) => {
    const [position, axis] = [Math.floor(i / d_model), i % d_model]
    // half-turns per position: 1 for the first pair of axes, 1 / n_ctx for the last
    const angle = (Math.PI * position) / n_ctx ** ((axis - (axis % 2)) / (d_model - 2))
    return axis % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
  })
  return values.set('pos_embed.W_pos', sinusoids)
}
