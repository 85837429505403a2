import * as v from 'valibot'
import { accuracy, type Parameters, preciseCrossEntropy } from '../../optim/index.ts'
import { permutation, randomSource } from '../../random/index.ts'
import type { Tensor } from '../../tensor/index.ts'
import type { Evaluation, Problem, Task } from '../problem.ts'
import { initialValues, toyModel } from '../trainable-model.ts'

const schema = v.strictObject({
  /** The modulus; a prime, so that all frequencies are alike. */
  p: v.optional(v.pipe(v.number(), v.integer(), v.minValue(3)), 113),
  /** The share of the p * p pairs that is trained on. */
  trainFraction: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 0.3),
  /** `random` answers are fixed but unrelated to the pair: what cannot be generalised. */
  labels: v.optional(v.picklist(['sum', 'random']), 'sum'),
  d_model: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 128),
  n_heads: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 4),
  d_mlp: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 512),
})

/** The config of modular addition, complete. */
export type ModularAdditionConfig = v.InferOutput<typeof schema>

/** Pairs and answers: tokens are `a b =` with `=` written as p. */
export interface ModularPairs {
  /** [pairs, 3] */
  readonly tokens: BigInt64Array
  /** [pairs] */
  readonly answers: BigInt64Array
  /** [pairs] places in the table of all p * p pairs, row a, column b. */
  readonly places: Uint32Array
}

/** The trained and the held-out pairs of a config and seed. */
export function modularPairs(
  { p, trainFraction, labels }: Pick<ModularAdditionConfig, 'p' | 'trainFraction' | 'labels'>,
  seed: number,
): { readonly train: ModularPairs; readonly test: ModularPairs } {
  const order = permutation(p * p, randomSource(seed, 'pairs'))
  const random = randomSource(seed, 'labels')
  const randomAnswers = Int32Array.from({ length: p * p }, () => random.integer(p))
  const cut = Math.floor(p * p * trainFraction)
  const answer = (place: number) =>
    labels === 'sum' ? (Math.floor(place / p) + (place % p)) % p : randomAnswers[place]!
  const pairs = (places: Uint32Array): ModularPairs => ({
    tokens: BigInt64Array.from([...places].flatMap((place) => [Math.floor(place / p), place % p, p]).map(BigInt)),
    answers: BigInt64Array.from([...places].map((place) => BigInt(answer(place)))),
    places,
  })
  return { train: pairs(order.subarray(0, cut)), test: pairs(order.subarray(cut)) }
}

/** Addition modulo a prime, full batch: the task on which networks grok (Power et al. 2022; Nanda et al. 2023). */
export const modularAddition: Task<ModularAdditionConfig> = {
  name: 'modular-addition',
  description: '(a + b) mod p from a part of all pairs: memorised first, understood much later (grokking).',
  schema,
  settings: {
    steps: 25_000,
    optimiser: { name: 'adamw', learningRate: 1e-3, weightDecay: 1, betas: [0.9, 0.98] },
    schedule: { warmup: 10 },
    logEvery: 10,
    evaluate: { every: 50, perDecade: 20 },
    snapshots: { every: 250, perDecade: 12 },
  },

  create(config, seed): Problem {
    const { p, d_model, n_heads, d_mlp } = config
    const model = toyModel(
      {
        ...{ n_layers: 1, d_model, n_heads, d_head: d_model / n_heads, d_mlp, act_fn: 'relu' },
        ...{ n_ctx: 3, d_vocab: p + 1, d_vocab_out: p, normalization_type: null },
      },
      ['mlp'],
    )
    const { train, test } = modularPairs(config, seed)
    // [N, 3] -> logits [N, 3, p]; only the last position is read, and only it is computed
    const lastLogits = (parameters: Parameters, tokens: Tensor) => model.logits(parameters, tokens).get(':', -1)
    const evaluation = (name: string, { tokens, answers }: ModularPairs): Evaluation => ({
      name,
      inputs: {
        tokens: { dtype: 'int64', shape: [answers.length, 3], data: tokens },
        answers: { dtype: 'int64', shape: [answers.length], data: answers },
      },
      trace(parameters, inputs) {
        const logits = lastLogits(parameters, inputs.tokens!)
        return {
          loss: preciseCrossEntropy(logits, inputs.answers!).mean(),
          accuracy: accuracy(logits, inputs.answers!),
        }
      },
    })
    const norm: Evaluation = {
      name: 'weights',
      inputs: {},
      trace: (parameters) => ({
        squares: [...parameters.values()].map((t) => t.square().sum()).reduce((a, b) => a.add(b)),
      }),
    }
    return {
      parameters: model.parameters,
      initial: () =>
        initialValues(model.parameters, seed, (name) => {
          if (/\.b_/.test(name)) return 0
          return 1 / Math.sqrt(name === 'unembed.W_U' ? p + 1 : d_model)
        }),
      batch: {
        tokens: { dtype: 'int64', shape: [train.answers.length, 3] },
        answers: { dtype: 'int64', shape: [train.answers.length] },
      },
      microBatch: () => ({ tokens: train.tokens, answers: train.answers }),
      loss: (parameters, { tokens, answers }) => ({
        loss: preciseCrossEntropy(lastLogits(parameters, tokens!), answers!).mean(),
      }),
      evaluations: [evaluation('train', train), evaluation('test', test), norm],
      tokensPerBatch: train.tokens.length,
      model,
    }
  },
}
