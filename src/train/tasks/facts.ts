import * as v from 'valibot'
import { accuracy, type Parameters } from '../../optim/index.ts'
import { randomSource } from '../../random/index.ts'
import { concat, crossEntropy, type Tensor } from '../../tensor/index.ts'
import { count } from '../config.ts'
import type { Problem, Task } from '../problem.ts'
import { gpt2InitialValues, toyModel } from '../trainable-model.ts'
import {
  documentLength,
  factDocument,
  factPrompt,
  objectPositions,
  PROMPT_LENGTH,
  randomQuestion,
  vocabularySize,
} from './facts/documents.ts'
import { factBase } from './facts/fact-base.ts'

const schema = v.pipe(
  v.strictObject({
    subjects: v.optional(count, 500),
    firstNames: v.optional(count, 40),
    lastNames: v.optional(count, 40),
    relations: v.optional(count, 4),
    /** Objects of each relation. */
    objects: v.optional(count, 40),
    /** What a fact's object is a function of, beside the relation. */
    dependsOn: v.optional(v.picklist(['subject', 'relation']), 'subject'),
    /** Other names around the subject's, which only their order tells apart from it; or three words that are always the same. */
    others: v.optional(v.picklist(['names', 'words']), 'names'),
    n_layers: v.optional(count, 4),
    d_model: v.optional(count, 128),
    n_heads: v.optional(count, 4),
    /** Documents of one micro-batch. */
    batchSize: v.optional(count, 32),
  }),
  v.check(({ d_model, n_heads }) => d_model % n_heads === 0, 'd_model must be a multiple of n_heads'),
  v.check(
    ({ subjects, firstNames, lastNames }) => subjects <= firstNames * lastNames,
    'there are not so many subjects: each is another pair of a first and a last name',
  ),
)

/** The config of the facts task, complete. */
export type FactsConfig = v.InferOutput<typeof schema>

/** Questions of the evaluation; its accuracy has a standard error of at most 0.02. */
const ASKED = 512

/** Facts about subjects of two names: what a transformer remembers, and where, for causal tracing (Meng et al. 2022). */
export const facts: Task<FactsConfig> = {
  name: 'facts',
  description:
    'Random facts about people of two names: nothing but remembering both names and the relation gives them.',
  schema,
  settings: {
    steps: 2000,
    optimiser: { name: 'adamw', learningRate: 2e-3, weightDecay: 0.1 },
    schedule: { warmup: 50, shape: 'cosine', final: 0.05 },
    clip: 1,
    logEvery: 10,
    evaluate: { every: 100, perDecade: 6 },
  },

  create(config, seed): Problem {
    const { n_layers, d_model, n_heads, batchSize } = config
    const length = documentLength(config)
    const model = toyModel(
      {
        ...{ n_layers, d_model, n_heads, d_head: d_model / n_heads, d_mlp: 4 * d_model, act_fn: 'gelu_new' },
        // the last object is predicted, and nothing after it
        ...{ n_ctx: length - 1, d_vocab: vocabularySize(config), normalization_type: 'LN' },
      },
      ['attn', 'mlp', 'unembed', 'norm'],
    )
    const base = factBase(config, seed)
    const asked = Array.from({ length: ASKED }, (_, i) =>
      factPrompt(config, base, randomQuestion(config, randomSource(seed, 'asked', i))),
    )
    const objects = objectPositions(config)
    // [B, P, x] -> [B, objects, x]
    const at = (x: Tensor, positions: readonly number[]) =>
      concat(
        positions.map((p) => x.slice(1, p, p + 1)),
        1,
      )
    return {
      parameters: model.parameters,
      initial: () => gpt2InitialValues(model.parameters, seed, d_model),
      batch: { tokens: { dtype: 'int64', shape: [batchSize, length] } },
      microBatch(index) {
        const random = randomSource(seed, 'train', index)
        const documents = Array.from({ length: batchSize }, () => factDocument(config, base, random))
        return { tokens: BigInt64Array.from(documents.flat(), BigInt) }
      },
      // Only objects count: which subject, relation and wording come next is drawn at random.
      loss(parameters, { tokens }) {
        const logits = model.logits(parameters, tokens!.slice(1, 0, length - 1))
        const before = objects.map((p) => p - 1)
        return { loss: crossEntropy(at(logits, before), at(tokens!, objects)).mean() }
      },
      evaluations: [
        {
          name: 'asked',
          inputs: {
            tokens: {
              dtype: 'int64',
              shape: [ASKED, PROMPT_LENGTH],
              data: BigInt64Array.from(
                asked.flatMap(({ tokens }) => tokens),
                BigInt,
              ),
            },
            answers: {
              dtype: 'int64',
              shape: [ASKED],
              data: BigInt64Array.from(asked, ({ answer }) => BigInt(answer)),
            },
          },
          trace(parameters: Parameters, { tokens, answers }) {
            const logits = model.logits(parameters, tokens!).get(':', -1)
            return { loss: crossEntropy(logits, answers!).mean(), accuracy: accuracy(logits, answers!) }
          },
        },
      ],
      tokensPerBatch: batchSize * length,
      model,
    }
  },
}
