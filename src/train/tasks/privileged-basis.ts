import * as v from 'valibot'
import type { Parameters } from '../../optim/index.ts'
import { type RandomSource, randomSource } from '../../random/index.ts'
import { randomRotation } from '../../random/rotation.ts'
import { concat, crossEntropy, type Tensor, tensor } from '../../tensor/index.ts'
import { count } from '../config.ts'
import type { Evaluation, Problem, Task } from '../problem.ts'
import { initialValues, toyModel } from '../trainable-model.ts'
import { frequentWords } from './frequent-words.ts'

const schema = v.strictObject({
  n_layers: v.optional(count, 4),
  d_model: v.optional(count, 128),
  n_heads: v.optional(count, 4),
  n_ctx: v.optional(count, 64),
  vocabulary: v.optional(count, 512),
  branching: v.optional(count, 16),
  batch: v.optional(count, 8),
  /**
   * In which coordinates of the residual stream the optimiser works: the model's own, one fixed random rotation of them that all
   * matrices share, or another rotation for every matrix.
   */
  rotation: v.optional(v.picklist(['none', 'shared', 'independent']), 'none'),
})

type PrivilegedBasisConfig = v.InferOutput<typeof schema>

const HELD_OUT_ROWS = 32
/** Rows whose residual vectors are looked at. */
const MEASURED_ROWS = 8
/** Random rotations in the control: tokens' vectors have a part in common, of which a single rotation is a single draw. */
const ROTATIONS = 32

/**
 * A small language model whose loss does not know coordinates: norms have no weights, so rotating the residual stream and every
 * matrix that reads or writes it changes nothing. Any axis that its training prefers comes from the optimiser. (Elhage, Lasenby,
 * Olah 2023, "Privileged bases in the transformer residual stream".)
 *
 * A rotated model is written as: every stored matrix W' acts on coordinates x' with x = x' R. With a shared R, training is the
 * unrotated training seen through R: what was along an axis of x' is along none of x. With a rotation for every matrix, no two
 * matrices' updates agree on an axis. A single random rotation is a single draw: where tokens share a large vector, the kurtosis of a
 * rotated stream varies by about sqrt(24 / d) from rotation to rotation.
 */
export const privilegedBasis: Task<PrivilegedBasisConfig> = {
  name: 'privileged-basis',
  description: 'A rotation-invariant language model on synthetic text: does its optimiser give the axes a meaning?',
  schema,
  settings: {
    steps: 6000,
    optimiser: { name: 'adam', learningRate: 3e-3, betas: [0.9, 0.99] },
    schedule: { warmup: 100, shape: 'cosine', final: 0.1 },
    clip: 1,
    logEvery: 10,
    evaluate: { every: 500, perDecade: 10 },
  },

  create(config, seed): Problem {
    const { n_layers, d_model, n_heads, n_ctx, vocabulary, batch } = config
    const model = toyModel(
      {
        ...{ n_layers, d_model, n_heads, d_head: d_model / n_heads, d_mlp: 4 * d_model, act_fn: 'gelu_new', n_ctx },
        ...{ d_vocab: vocabulary, normalization_type: 'RMSPre', positional_embedding_type: 'rotary' },
      },
      [],
    )
    const draw = frequentWords({ ...config, length: n_ctx + 1 }, seed)
    const rows = (use: string, first: number, number: number) =>
      BigInt64Array.from(
        Array.from({ length: number }, (_, i) => [...draw(randomSource(seed, use, first + i))]).flat(),
        BigInt,
      )
    const inModel = rotatedParameters(config, seed)
    const losses = (parameters: Parameters, tokens: Tensor) =>
      crossEntropy(model.logits(inModel(parameters), tokens.slice(1, 0, n_ctx)), tokens.slice(1, 1))
    const heldOut = rows('held out', 0, HELD_OUT_ROWS)
    const evaluation: Evaluation = {
      name: 'heldOut',
      inputs: {
        tokens: { dtype: 'int64', shape: [HELD_OUT_ROWS, n_ctx + 1], data: heldOut },
        rotations: {
          dtype: 'float32',
          shape: [d_model, ROTATIONS * d_model],
          data: randomRotations(d_model, seed),
        },
      },
      trace(parameters, { tokens, rotations }) {
        const streams: Tensor[] = []
        model.logits(inModel(parameters), tokens!.get(`0:${MEASURED_ROWS}`).slice(1, 0, n_ctx), (name, x) => {
          if (name === 'blocks.0.hook_resid_pre' || name.endsWith('hook_resid_post')) streams.push(x)
          return x
        })
        const ofStreams = (measure: (x: Tensor) => Tensor) => concat(streams.map((x) => measure(x).reshape(1)))
        // one or several bases side by side [d, bases * d]: the mean over tokens and bases
        const kurtosisIn = (bases: Tensor) => ofStreams((x) => meanKurtosis(x.matmul(bases).reshape(-1, d_model)))
        const common = (x: Tensor) => x.mean([0, 1], true)
        return {
          loss: losses(parameters, tokens!).mean(),
          // each [layers + 1]: after the embedding and after every block
          kurtosis: ofStreams(meanKurtosis),
          rotatedKurtosis: kurtosisIn(rotations!),
          outliers: ofStreams(outliersPerToken),
          // what is left when the part that all tokens share is taken out, and how large that part is
          differencesKurtosis: ofStreams((x) => meanKurtosis(x.sub(common(x)))),
          commonShare: ofStreams((x) => common(x).square().mean().div(x.square().mean())),
          // x' of x = x' R
          ...(config.rotation === 'shared'
            ? { optimiserKurtosis: kurtosisIn(sharedRotation(d_model, seed).transpose()) }
            : {}),
        }
      },
    }
    return {
      parameters: model.parameters,
      initial: () =>
        initialValues(model.parameters, seed, (name) => {
          if (name === 'embed.W_E') return 1
          // what writes into the residual stream starts smaller, so that the stream does not grow with depth
          if (/W_(O|out)$/.test(name)) return 1 / Math.sqrt((name.endsWith('out') ? 4 : 1) * d_model * 2 * n_layers)
          return 1 / Math.sqrt(d_model)
        }),
      batch: { tokens: { dtype: 'int64', shape: [batch, n_ctx + 1] } },
      microBatch: (index) => ({ tokens: rows('train', index * batch, batch) }),
      loss: (parameters, { tokens }) => ({ loss: losses(parameters, tokens!).mean() }),
      evaluations: [evaluation],
      tokensPerBatch: batch * n_ctx,
      ...(config.rotation === 'none' ? { model } : {}),
    }
  },
}

/** The fourth moment of each row of x [..., d] about its mean, over its variance squared; the mean over rows. */
export function meanKurtosis(x: Tensor): Tensor {
  const squares = x.sub(x.mean(-1, true)).square()
  return squares.square().mean(-1).div(squares.mean(-1).square()).mean()
}

/** How many coordinates of a row of x [..., d] lie further from its mean than six standard deviations; the mean over rows. */
function outliersPerToken(x: Tensor): Tensor {
  const squares = x.sub(x.mean(-1, true)).square()
  return squares.greater(squares.mean(-1, true).mul(36)).cast('float32').sum(-1).mean()
}

/** Maps the stored matrices to those of the model, in which rotations are undone. */
function rotatedParameters(
  { d_model, rotation }: PrivilegedBasisConfig,
  seed: number,
): (parameters: Parameters) => Parameters {
  if (rotation === 'none') return (parameters) => parameters
  const rotationOf = (name: string) =>
    rotation === 'shared' ? sharedRotation(d_model, seed) : rotationFrom(d_model, randomSource(seed, 'rotation', name))
  return (parameters) =>
    new Map(
      [...parameters].map(([name, stored]) => {
        const R = rotationOf(name)
        // writers are stored [..., d]: W = W' R; readers [d, ...]: W = R^T W', as (x' R) (R^T W') = x' W'
        if (/W_(E|O|out)$/.test(name)) return [name, stored.matmul(R)]
        const flat = stored.reshape(d_model, stored.size / d_model)
        return [
          name,
          R.transpose()
            .matmul(flat)
            .reshape(...stored.shape),
        ]
      }),
    )
}

/** Random rotations side by side [d, rotations * d]. */
function randomRotations(size: number, seed: number): Float32Array {
  const all = new Float32Array(size * ROTATIONS * size)
  for (let r = 0; r < ROTATIONS; r++) {
    const rotation = randomRotation(size, randomSource(seed, 'control rotation', r))
    for (let i = 0; i < size; i++) all.set(rotation.subarray(i * size, (i + 1) * size), (i * ROTATIONS + r) * size)
  }
  return all
}

const sharedRotation = (size: number, seed: number) => rotationFrom(size, randomSource(seed, 'rotation'))

const rotationFrom = (size: number, random: RandomSource) => tensor(randomRotation(size, random), [size, size])
