import * as v from 'valibot'
import type { Forward } from '../../models/index.ts'
import { type Parameters, preciseCrossEntropy } from '../../optim/index.ts'
import { randomSource } from '../../random/index.ts'
import type { Tensor } from '../../tensor/index.ts'
import type { Evaluation, Problem, Task } from '../problem.ts'
import { gpt2InitialValues, type TrainableModel, toyModel } from '../trainable-model.ts'
import {
  type DigitTask,
  digitTasks,
  type PairKind,
  type Question,
  questionCategories,
  questionOfCategory,
  questionOfKinds,
  randomQuestion,
} from './addition/categories.ts'
import {
  answerLength,
  encodeQuestions,
  equalsPosition,
  sequenceLength,
  tokenizerJson,
  vocabulary,
} from './addition/format.ts'

const size = v.pipe(v.number(), v.integer(), v.minValue(1))
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1))

const schema = v.pipe(
  v.strictObject({
    /** Digits of each number. */
    digits: v.optional(size, 5),
    /** Whether the answer begins with a sign (and the vocabulary has 15 tokens, not 12). */
    sign: v.optional(v.boolean(), false),
    n_layers: v.optional(size, 1),
    n_heads: v.optional(size, 3),
    d_model: v.optional(size, 510),
    d_mlp: v.optional(size, 2040),
    batchSize: v.optional(size, 64),
    /** The share of batches that are enriched, and of their digit pairs that are made to sum to 9. */
    nines: v.optional(v.strictObject({ batches: share, pairs: share }), { batches: 0.2, pairs: 0.2 }),
    /** `unrelated` answers are those of other random questions: nothing can be learned but how answers look. */
    answers: v.optional(v.picklist(['sum', 'unrelated']), 'sum'),
    /** Held-out questions of each category. */
    heldOut: v.optional(size, 128),
  }),
  v.check(({ d_model, n_heads }) => d_model % n_heads === 0, 'd_model must be a multiple of n_heads'),
)

/** The config of the addition task, complete. */
export type AdditionConfig = v.InferOutput<typeof schema>

/** The questions of training batch `index`, a function of config, seed and index. */
export function trainingQuestions(
  { digits, batchSize, nines }: Pick<AdditionConfig, 'digits' | 'batchSize' | 'nines'>,
  seed: number,
  index: number,
): Question[] {
  const random = randomSource(seed, 'questions', index)
  const share = random.uniform() < nines.batches ? nines.pairs : 0
  const kind = (): PairKind | undefined => (random.uniform() < share ? 'passes' : undefined)
  return Array.from({ length: batchSize }, () => questionOfKinds(Array.from({ length: digits }, kind), random))
}

/**
 * The logits [B, answer tokens, vocabulary] that predict the answers of whole sequences [B, sequenceLength]; the last
 * token predicts nothing, and only the answer's positions are computed in the last layer. `hook` sees every hook point.
 */
export function answerLogits(
  model: Pick<TrainableModel, 'logits'>,
  config: AdditionConfig,
  parameters: Parameters,
  tokens: Tensor,
  hook?: Forward['hook'],
): Tensor {
  return model.logits(parameters, tokens.slice(1, 0, -1), hook).slice(1, equalsPosition(config))
}

/** Addition of numbers of several digits, answered highest digit first (Quirke & Barez 2023; Quirke, Neo & Barez 2024). */
export const addition: Task<AdditionConfig> = {
  name: 'addition',
  description:
    'Sums of numbers of several digits, highest digit first: carries must be known before they are computed.',
  schema,
  settings: {
    steps: 5000,
    optimiser: { name: 'adamw', learningRate: 8e-5, weightDecay: 0.1, betas: [0.9, 0.98], decays: 'all' },
    schedule: { warmup: 10 },
    evaluate: { every: 100, perDecade: 12 },
  },

  create(config, seed): Problem {
    const { digits, n_layers, n_heads, d_model, d_mlp, batchSize, answers } = config
    const model = toyModel(
      {
        ...{ n_layers, d_model, n_heads, d_head: d_model / n_heads, d_mlp, act_fn: 'relu' },
        ...{ n_ctx: sequenceLength(config), d_vocab: vocabulary(config).length, normalization_type: 'LN' },
      },
      ['attn', 'mlp', 'unembed', 'norm'],
    )
    const shape = (count: number) => [count, sequenceLength(config)]
    // [B, answer tokens]
    const losses = (logits: Tensor, tokens: Tensor) =>
      preciseCrossEntropy(logits, tokens.slice(1, equalsPosition(config) + 1))
    return {
      parameters: model.parameters,
      initial: () => gpt2InitialValues(model.parameters, seed, d_model),
      batch: { tokens: { dtype: 'int64', shape: shape(batchSize) } },
      microBatch(index) {
        const questions = trainingQuestions(config, seed, index)
        const random = randomSource(seed, 'unrelated answers', index)
        const answered = answers === 'sum' ? questions : questions.map(() => randomQuestion(digits, random))
        return { tokens: encodeQuestions(config, questions, answered) }
      },
      loss(parameters, { tokens }) {
        const loss = losses(answerLogits(model, config, parameters, tokens!), tokens!)
        return { loss: loss.mean(), metrics: { digitLoss: loss.mean(0) } }
      },
      evaluations: [
        ...heldOutQuestions(config).map(([name, questions]): Evaluation => {
          const data = {
            dtype: 'int64',
            shape: shape(questions.length),
            data: encodeQuestions(config, questions),
          } as const
          return {
            name,
            inputs: { tokens: data },
            trace(parameters, { tokens }) {
              const logits = answerLogits(model, config, parameters, tokens!)
              const right = logits.argmax(-1).equal(tokens!.slice(1, equalsPosition(config) + 1))
              return {
                accuracy: right.cast('float32').min(-1).mean(),
                digitLoss: losses(logits, tokens!).mean(0),
              }
            },
          }
        }),
        digitTaskEvaluation(model, config, losses),
      ],
      tokensPerBatch: batchSize * sequenceLength(config),
      model,
      modelFiles: { 'tokenizer.json': new TextEncoder().encode(JSON.stringify(tokenizerJson(config))) },
    }
  },
}

/** Fixed questions by category, `random` ones first: the same for every training seed. */
function heldOutQuestions({ digits, heldOut }: AdditionConfig): (readonly [string, Question[]])[] {
  const several = (name: string, draw: (random: ReturnType<typeof randomSource>) => Question) => {
    const random = randomSource(0, 'held-out questions', name)
    return [name, Array.from({ length: heldOut }, () => draw(random))] as const
  }
  return [
    several('random', (random) => randomQuestion(digits, random)),
    ...questionCategories(digits).map((category) =>
      several(category, (random) => questionOfCategory(digits, category, random)),
    ),
  ]
}

/** The loss of each answer token (highest digit first) over questions where its digit has one task, by task. */
function digitTaskEvaluation(
  model: TrainableModel,
  config: AdditionConfig,
  losses: (logits: Tensor, tokens: Tensor) => Tensor,
): Evaluation {
  const tasks: readonly DigitTask[] = ['BA', 'UC1', 'US9']
  const random = randomSource(0, 'held-out questions', 'digit tasks')
  const count = 4 * config.heldOut
  // More sums of 9 and more carries than random digits have: every task is common at every digit that can have it.
  const kinds: readonly PairKind[] = ['stops', 'passes', 'makes']
  const questions = Array.from({ length: count }, () =>
    questionOfKinds(
      Array.from({ length: config.digits }, () => kinds[random.integer(3)]!),
      random,
    ),
  )
  const length = answerLength(config)
  // [N, answer tokens], highest digit first; a sign has no task
  const labels = questions.map((question) => {
    const own = digitTasks(question).toReversed()
    return config.sign ? [undefined, ...own] : own
  })
  const weights = (task: DigitTask) => {
    const mask = labels.flatMap((own) => own.map((label) => (label === task ? 1 : 0)))
    const totals = Array.from({ length }, (_, at) => labels.filter((own) => own[at] === task).length)
    return Float64Array.from(mask, (one, i) => (one === 0 ? 0 : 1 / totals[i % length]!))
  }
  return {
    name: 'digit-tasks',
    inputs: {
      tokens: { dtype: 'int64', shape: [count, sequenceLength(config)], data: encodeQuestions(config, questions) },
      ...Object.fromEntries(
        tasks.map((task) => [task, { dtype: 'float64', shape: [count, length], data: weights(task) } as const]),
      ),
    },
    trace(parameters, inputs) {
      const loss = losses(answerLogits(model, config, parameters, inputs.tokens!), inputs.tokens!)
      return Object.fromEntries(tasks.map((task) => [task, loss.mul(inputs[task]!).sum(0)]))
    },
  }
}
