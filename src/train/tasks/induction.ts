import * as v from 'valibot'
import { accuracy, type Parameters } from '../../optim/index.ts'
import { randomSource } from '../../random/index.ts'
import { concat, crossEntropy, type Tensor } from '../../tensor/index.ts'
import type { Evaluation, Problem, Task } from '../problem.ts'
import { initialValues, type TrainableModel, toyModel } from '../trainable-model.ts'
import { plantedRepeats, repeatedRandomTokens } from './planted-repeats.ts'

/** Olsson et al. repeat 25 random tokens four times. */
const PREFIX_COPIES = 4

const TEST_SEQUENCES = 128
const CHUNK = 16

const count = v.pipe(v.number(), v.integer(), v.minValue(1))

const schema = v.strictObject({
  layers: v.optional(count, 2),
  d_model: v.optional(count, 128),
  n_heads: v.optional(count, 8),
  n_ctx: v.optional(v.pipe(count, v.multipleOf(32)), 256),
  vocabulary: v.optional(v.pipe(count, v.minValue(64)), 128),
  branching: v.optional(count, 4),
  /** `shortformer` positions reach queries and keys only; `standard` ones are added to the residual stream. */
  positions: v.optional(v.picklist(['shortformer', 'standard']), 'shortformer'),
  normalization: v.optional(v.picklist(['LN', 'none']), 'none'),
  /** Sequences of one micro-batch. */
  batch: v.optional(count, 16),
})

type InductionConfig = v.InferOutput<typeof schema>

/** Sequences of the same length as one array of token ids [sequences, length]. */
function sequences(number: number, draw: (index: number) => Uint32Array) {
  const rows = Array.from({ length: number }, (_, i) => draw(i))
  const shape = [number, rows[0]!.length] as const
  return { dtype: 'int64' as const, shape, data: BigInt64Array.from(rows.flatMap((row) => Array.from(row, BigInt))) }
}

/** Each token's loss given those before it: [B, P + 1] tokens to [B, P] nats, and the logits [B, P, V]. */
function nextTokenLosses(model: TrainableModel, parameters: Parameters, tokens: Tensor) {
  const length = tokens.shape[1]! - 1
  const logits = model.logits(parameters, tokens.slice(1, 0, length))
  const targets = tokens.slice(1, 1)
  return { logits, targets, losses: crossEntropy(logits, targets) }
}

/** What `measure` makes of every layer's attention pattern [B, H, P, P], each [H], as one vector, layer by layer. */
function ofPatterns(
  model: TrainableModel,
  parameters: Parameters,
  tokens: Tensor,
  measure: (pattern: Tensor) => Tensor,
): Tensor {
  const measured: Tensor[] = []
  model.logits(parameters, tokens, (name, x) => {
    if (name.endsWith('.hook_pattern')) measured.push(measure(x))
    return x
  })
  return concat(measured)
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
    const { layers, d_model, n_heads, n_ctx, vocabulary, batch } = config
    const model = toyModel(
      {
        ...{ n_layers: layers, d_model, n_heads, d_head: d_model / n_heads, attn_only: true, n_ctx },
        ...{ d_vocab: vocabulary + 1, d_vocab_out: vocabulary, positional_embedding_type: config.positions },
        normalization_type: config.normalization === 'none' ? null : config.normalization,
      },
      ['norm'],
    )
    const draw = plantedRepeats({ ...config, length: n_ctx }, seed)
    const text = (use: string, number: number) => sequences(number, (i) => draw(randomSource(seed, use, i)))
    const shape = [batch, n_ctx + 1]
    const period = Math.min(25, Math.floor((n_ctx - 1) / PREFIX_COPIES))
    return {
      parameters: model.parameters,
      initial: () => firstValues(model, seed),
      batch: { tokens: { dtype: 'int64', shape } },
      microBatch: (index) => ({
        tokens: sequences(batch, (i) => draw(randomSource(seed, 'train', index * batch + i))).data,
      }),
      loss: (parameters, { tokens }) => ({ loss: nextTokenLosses(model, parameters, tokens!).losses.mean() }),
      evaluations: [
        textEvaluation(model, text('test', TEST_SEQUENCES)),
        repeatsEvaluation(
          model,
          sequences(32, (i) =>
            repeatedRandomTokens(vocabulary, Math.min(64, n_ctx / 4), 2, randomSource(seed, 'repeats', i)),
          ),
        ),
        prefixMatching(
          model,
          sequences(16, (i) =>
            repeatedRandomTokens(vocabulary, period, PREFIX_COPIES, randomSource(seed, 'prefix', i)),
          ),
        ),
        previousToken(model, text('test', CHUNK)),
      ],
      tokensPerBatch: batch * n_ctx,
      model,
    }
  },
}

/**
 * Random weights that keep the scale of what they multiply; position embeddings begin as sinusoids (Vaswani et al. 2017),
 * in which a fixed distance is a fixed rotation: from random ones, attending to the previous token takes far longer to learn.
 */
function firstValues({ parameters, config }: TrainableModel, seed: number): Map<string, Float32Array> {
  const { d_model, n_ctx } = config
  const values = initialValues(parameters, seed, (name) => {
    if (name.endsWith('.w')) return 'ones'
    if (name.endsWith('.b')) return 0
    return name === 'embed.W_E' ? 1 : 1 / Math.sqrt(d_model)
  })
  const sinusoids = Float32Array.from({ length: n_ctx * d_model }, (_, i) => {
    const [position, axis] = [Math.floor(i / d_model), i % d_model]
    // half-turns per position: 1 for the first pair of axes, 1 / n_ctx for the last
    const angle = (Math.PI * position) / n_ctx ** ((axis - (axis % 2)) / (d_model - 2))
    return axis % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
  })
  return values.set('pos_embed.W_pos', sinusoids)
}

type Sequences = ReturnType<typeof sequences>

/**
 * Held-out text: the mean loss; the loss by position (32 equal stretches of the context); and the in-context-learning
 * score: loss around position 240 minus loss around position 24 of 256 (16 positions each), which lie before any repeat.
 */
function textEvaluation(model: TrainableModel, tokens: Sequences): Evaluation {
  return {
    name: 'text',
    inputs: { tokens },
    trace(parameters, inputs) {
      // a few sequences at a time, as attention patterns take much memory
      const chunks = Array.from({ length: TEST_SEQUENCES / CHUNK }, (_, i) =>
        nextTokenLosses(model, parameters, inputs.tokens!.slice(0, i * CHUNK, (i + 1) * CHUNK)),
      )
      const losses = concat(chunks.map((chunk) => chunk.losses))
      // [B, P] -> [B, 32, P / 32] -> [32]
      const byPosition = losses.reshape(losses.shape[0]!, 32, losses.shape[1]! / 32).mean([0, 2])
      const early = byPosition.slice(0, 2, 4).mean()
      const late = byPosition.slice(0, 29, 31).mean()
      return { loss: losses.mean(), byPosition, inContext: late.sub(early) }
    },
  }
}

/** Random tokens twice: losses of both copies, and how often the second is predicted; its first token, which nothing announces, is left out. */
function repeatsEvaluation(model: TrainableModel, tokens: Sequences): Evaluation {
  const size = (tokens.shape[1] - 1) / 2
  return {
    name: 'repeats',
    inputs: { tokens },
    trace(parameters, inputs) {
      const { losses, logits, targets } = nextTokenLosses(model, parameters, inputs.tokens!)
      const first = losses.slice(1, 0, size).mean()
      const second = losses.slice(1, size + 1).mean()
      return {
        first,
        second,
        ratio: second.div(first),
        accuracy: accuracy(logits.slice(1, size + 1), targets.slice(1, size + 1)),
      }
    },
  }
}

/** Prefix matching of every head (Olsson et al. 2022, with their erratum): attention from each token to those after its earlier occurrences. */
function prefixMatching(model: TrainableModel, tokens: Sequences): Evaluation {
  const length = tokens.shape[1]
  const period = (length - 1) / PREFIX_COPIES
  // [P, P]: 1 where the key follows an earlier occurrence of the query's token
  const follows = new Float32Array(length * length)
  for (let query = 1 + period; query < length; query++) {
    for (let key = query - period + 1; key > 1; key -= period) follows[query * length + key] = 1
  }
  return {
    name: 'heads',
    inputs: { tokens, follows: { dtype: 'float32', shape: [length, length], data: follows } },
    trace: (parameters, inputs) => ({
      prefixMatching: ofPatterns(model, parameters, inputs.tokens!, (pattern) =>
        pattern
          .mul(inputs.follows!)
          .sum(-1)
          .slice(2, 1 + period)
          .mean([0, 2]),
      ),
    }),
  }
}

/** Previous-token attention of every head on held-out text: the mean of A[i, i-1]. */
function previousToken(model: TrainableModel, tokens: Sequences): Evaluation {
  const length = tokens.shape[1] - 1
  const before = new Float32Array(length * length)
  for (let query = 1; query < length; query++) before[query * length + query - 1] = 1
  return {
    name: 'heads',
    inputs: { tokens, before: { dtype: 'float32', shape: [length, length], data: before } },
    trace: (parameters, inputs) => ({
      previousToken: ofPatterns(model, parameters, inputs.tokens!.slice(1, 0, length), (pattern) =>
        pattern.mul(inputs.before!).sum(-1).slice(2, 1).mean([0, 2]),
      ),
    }),
  }
}
