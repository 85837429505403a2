import { DiopterError } from '../../errors/index.ts'
import { logit, logitDifference, logProbability, loss, type Metric, type Model, type Prompt } from '../../lab/index.ts'

/** One token: its text exactly as typed (a leading space counts), or its id. */
export type Token = string | number

/** A prompt with the token that should come next, and one that it is compared with. */
export interface Question {
  readonly prompt: Prompt
  readonly answer?: Token | undefined
  readonly wrong?: Token | undefined
}

/** Metrics of the last position's logits, about an answer token. */
export const ANSWER_METRICS = ['logit_difference', 'logit', 'log_probability'] as const
/** One of `ANSWER_METRICS`. */
export type AnswerMetricName = (typeof ANSWER_METRICS)[number]

/** Those, and the mean loss over a whole prompt, which needs no answer. */
export const METRICS = [...ANSWER_METRICS, 'loss'] as const
/** One of `METRICS`. */
export type MetricName = (typeof METRICS)[number]

/** A token as results show it. */
export interface NamedToken {
  readonly id: number
  readonly token: string
}

/** A token's id and text. Throws when a text is not exactly one token, or an id is outside the vocabulary. */
export function namedToken(model: Model, token: Token): NamedToken {
  if (typeof token === 'string') {
    if (!model.tokenizer)
      throw new DiopterError(`This model has no tokenizer.json, so the token ${JSON.stringify(token)} must be an id.`)
    return { id: model.tokenizer.tokenId(token), token }
  }
  if (!Number.isInteger(token) || token < 0 || token >= model.config.d_vocab_out)
    throw new DiopterError(`Token id ${token} is outside the vocabulary (0..${model.config.d_vocab_out - 1}).`)
  return withText(model, token)
}

/** A token id, which need not be one that the model predicts, with its text; models without a tokenizer have the id only. */
export function withText({ tokenizer }: Model, id: number): NamedToken {
  return { id, token: tokenizer?.tokenText(id) ?? String(id) }
}

/** A question's metric with its tokens. */
export interface AskedMetric {
  readonly name: MetricName
  readonly metric: Metric
  readonly answer: NamedToken | null
  readonly wrong: NamedToken | null
}

/**
 * The metric of a question: the one named, or what its tokens allow (logit difference, logit, loss without an answer).
 * Throws when the metric needs a token that the question lacks.
 */
export function askMetric(model: Model, question: Omit<Question, 'prompt'>, name?: MetricName): AskedMetric {
  const answer = question.answer === undefined ? null : namedToken(model, question.answer)
  const wrong = question.wrong === undefined ? null : namedToken(model, question.wrong)
  const chosen = name ?? (answer === null ? 'loss' : wrong === null ? 'logit' : 'logit_difference')
  const missing = (what: string) =>
    new DiopterError(`The metric '${chosen}' needs ${what} token; give ${what} token, or another metric.`)
  if (chosen === 'loss') return { name: chosen, metric: loss(), answer, wrong }
  if (answer === null) throw missing('an answer')
  if (chosen === 'logit') return { name: chosen, metric: logit(answer.id), answer, wrong }
  if (chosen === 'log_probability') return { name: chosen, metric: logProbability(answer.id), answer, wrong }
  if (wrong === null) throw missing('a wrong')
  return { name: chosen, metric: logitDifference(answer.id, wrong.id), answer, wrong }
}

/** One metric of several prompts: of every prompt its own question's, all of the same name. */
export function metricOfAll(asked: readonly AskedMetric[]): Metric {
  const ids = (of: (one: AskedMetric) => NamedToken | null) => asked.map((one) => of(one)!.id)
  const answers = () => ids(({ answer }) => answer)
  const { name } = asked[0]!
  if (name === 'loss') return loss()
  if (name === 'logit') return logit(answers())
  if (name === 'log_probability') return logProbability(answers())
  return logitDifference(
    answers(),
    ids(({ wrong }) => wrong),
  )
}
