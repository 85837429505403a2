import * as v from 'valibot'
import type { Engine, TensorValue } from '../../engine/index.ts'
import { DiopterError, throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import type { Forward } from '../../models/index.ts'
import { type Parameters, preciseCrossEntropy } from '../../optim/index.ts'
import { input, type Tensor, tensor } from '../../tensor/index.ts'
import type { TrainableModel } from '../../train/index.ts'
import type { Question } from '../../train/tasks/addition/categories.ts'
import { answerLength, encodeQuestions, equalsPosition, sequenceLength } from '../../train/tasks/addition/format.ts'
import { type AdditionConfig, addition, answerLogits } from '../../train/tasks/addition.ts'
import type { TrainedRun } from '../experiment.ts'

/** A model that answers sums: trained, or made by hand. */
export interface Adder {
  readonly config: AdditionConfig
  readonly model: Pick<TrainableModel, 'logits' | 'config'>
  readonly parameters: Parameters
  readonly engine: Engine
}

/** What an adder answered: one row per question, one column per answer token, in the order of the text. */
export interface AnswerScores {
  readonly questions: number
  readonly answerTokens: number
  /** Nats, [questions, answerTokens]. */
  readonly losses: Float64Array
  /** 1 where another token was likelier than the right one, [questions, answerTokens]. */
  readonly wrong: Uint8Array
}

/** Questions in one run of the model. */
const BATCH = 256

/** The adder that a run trained. Throws for runs of other tasks. */
export function trainedAdder({ config, problem, parameters }: TrainedRun, engine: Engine): Adder {
  if (config.task !== addition.name)
    throw new DiopterError(`Addition is measured on runs of ${addition.name}; this one trained ${config.task}.`)
  return {
    config: v.parse(addition.schema, config.config),
    model: problem.model!,
    parameters: new Map(problem.parameters.map(({ name, shape }) => [name, tensor(parameters.get(name)!, shape)])),
    engine,
  }
}

/** Answers questions one token at a time, each seeing the right tokens before it. `hook` sees and edits activations. */
export async function scoreAnswers(
  adder: Adder,
  questions: readonly Question[],
  { hook, ...options }: WorkOptions & { readonly hook?: Forward['hook'] } = {},
): Promise<AnswerScores> {
  const answerTokens = answerLength(adder.config)
  const size = questions.length * answerTokens
  const scores = {
    questions: questions.length,
    answerTokens,
    losses: new Float64Array(size),
    wrong: new Uint8Array(size),
  }
  const trace = (tokens: Tensor) => {
    const logits = answerLogits(adder.model, adder.config, adder.parameters, tokens, hook)
    const answers = tokens.slice(1, equalsPosition(adder.config) + 1)
    return [preciseCrossEntropy(logits, answers), logits.argmax(-1).sub(answers)]
  }
  await inBatches(adder, questions, trace, options, ([losses, differences], start) => {
    scores.losses.set(losses!.data as Float64Array, start * answerTokens)
    scores.wrong.set(
      Uint8Array.from(differences!.data as BigInt64Array, (one) => (one === 0n ? 0 : 1)),
      start * answerTokens,
    )
  })
  return scores
}

/** Means over questions of what `trace` reads: [...] for each tensor [questions, ...]. */
export async function meansOver(
  adder: Adder,
  questions: readonly Question[],
  trace: (hooked: ReadonlyMap<string, Tensor>) => readonly Tensor[],
  options: WorkOptions = {},
): Promise<{ readonly shape: readonly number[]; readonly data: Float32Array }[]> {
  const sums: { shape: readonly number[]; data: Float64Array }[] = []
  const read = (tokens: Tensor) => {
    const hooked = new Map<string, Tensor>()
    const hook = (name: string, x: Tensor) => {
      hooked.set(name, x)
      return x
    }
    answerLogits(adder.model, adder.config, adder.parameters, tokens, hook)
    return trace(hooked).map((t) => t.sum(0))
  }
  await inBatches(adder, questions, read, options, (values) => {
    values.forEach(({ shape, data }, i) => {
      sums[i] ??= { shape, data: new Float64Array(data.length) }
      const sum = sums[i].data
      for (let at = 0; at < sum.length; at++) sum[at]! += Number(data[at])
    })
  })
  return sums.map(({ shape, data }) => ({ shape, data: Float32Array.from(data, (sum) => sum / questions.length) }))
}

async function inBatches(
  { config, engine }: Adder,
  questions: readonly Question[],
  trace: (tokens: Tensor) => readonly Tensor[],
  { signal, onProgress }: WorkOptions,
  take: (values: readonly TensorValue[], start: number) => void,
): Promise<void> {
  const length = sequenceLength(config)
  for (let start = 0; start < questions.length; ) {
    const size = Math.min(BATCH, questions.length - start)
    const program = engine.compile([...trace(input('tokens', [size, length], 'int64'))])
    // All batches of one size run the same program.
    const last = size < BATCH ? questions.length : questions.length - (questions.length % BATCH)
    for (; start < last; start += size) {
      throwIfAborted(signal)
      onProgress?.({ phase: 'answering', done: start, total: questions.length, unit: 'questions' })
      const data = encodeQuestions(config, questions.slice(start, start + size))
      take(await program.run({ tokens: { dtype: 'int64', shape: [size, length], data } }, { signal }), start)
    }
    program.release()
  }
}

/** The share of questions whose every answer token is right. */
export function accuracyOf({ questions, answerTokens, wrong }: AnswerScores): number {
  let right = 0
  for (let q = 0; q < questions; q++) {
    if (!wrong.subarray(q * answerTokens, (q + 1) * answerTokens).includes(1)) right++
  }
  return right / questions
}

/** The mean loss of an answer token. */
export function meanLoss({ losses }: AnswerScores): number {
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

/** The share of wrong answers at each digit, A_0 first: a sign is left out. */
export function digitErrors({ questions, answerTokens, wrong }: AnswerScores, { digits }: AdditionConfig): number[] {
  return Array.from({ length: digits + 1 }, (_, digit) => {
    let count = 0
    for (let q = 0; q < questions; q++) count += wrong[q * answerTokens + answerTokens - 1 - digit]!
    return count / questions
  })
}
