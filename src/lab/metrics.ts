import { DiopterError } from '../errors/index.ts'
import { crossEntropy, sizeOf, Tensor, tensor } from '../tensor/index.ts'

/** What a metric may look at beside the logits. */
export interface MetricContext {
  /** The number of the prompt that each row of the logits belongs to. */
  readonly prompts: readonly number[]
  /** Token ids of the rows: int64 [n, P]. */
  readonly tokens: Tensor
  /** An activation of the same rows by hook name, with logical positions. Not available in variants. */
  readonly activation: (hook: string) => Tensor
}

/** A traced metric: logits [n, P, V] to one value per row, [n] (or a scalar, when all prompts have the same length). */
export type MetricFunction = (logits: Tensor, context: MetricContext) => Tensor

/** A metric that says which positions' logits it reads, so that the rest is never computed. */
export interface Metric {
  readonly name: string
  /** `last`: `evaluate` gets logits [n, 1, V] of every prompt's own last position. */
  readonly positions: 'last' | 'all'
  readonly evaluate: MetricFunction
}

/** A token id for every prompt, or one for all. */
export type TokenChoice = number | readonly number[]

function chosen(choice: TokenChoice, prompts: readonly number[], vocabulary: number, what: string): Tensor {
  const ids = prompts.map((prompt) => {
    const id = typeof choice === 'number' ? choice : choice[prompt]
    if (id === undefined)
      throw new DiopterError(
        `The metric has ${(choice as readonly number[]).length} ${what} tokens, and none for prompt ${prompt}; give one per prompt or a single one.`,
      )
    if (!Number.isInteger(id) || id < 0 || id >= vocabulary)
      throw new DiopterError(`The metric's ${what} token ${id} is outside the vocabulary (0..${vocabulary - 1}).`)
    return id
  })
  return tensor(ids, [ids.length, 1], 'int64')
}

/** The scores [n] of one token per row of [n, 1, V]. */
function pick(scores: Tensor, choice: TokenChoice, prompts: readonly number[], what: string): Tensor {
  // [n, 1, V] -> [n, V], then one element per row [n, 1] -> [n]
  const last = scores.get(':', -1)
  return last.gatherElements(chosen(choice, prompts, last.shape[1]!, what), 1).squeeze(1)
}

/** logit(answer) - logit(wrong) at the last position. */
export function logitDifference(answer: TokenChoice, wrong: TokenChoice): Metric {
  return {
    name: 'logit difference',
    positions: 'last',
    evaluate: (logits, { prompts }) =>
      pick(logits, answer, prompts, 'answer').sub(pick(logits, wrong, prompts, 'wrong')),
  }
}

/** The logit of the answer at the last position. */
export function logit(answer: TokenChoice): Metric {
  return {
    name: 'logit',
    positions: 'last',
    evaluate: (logits, { prompts }) => pick(logits, answer, prompts, 'answer'),
  }
}

/** log p(answer) at the last position, in nats. */
export function logProbability(answer: TokenChoice): Metric {
  return {
    name: 'log probability',
    positions: 'last',
    evaluate: (logits, { prompts }) => pick(logits.logSoftmax(), answer, prompts, 'answer'),
  }
}

/** KL(reference || this run) at the last position, in nats; `reference` holds one row of V logits per prompt. */
export function klDivergence(reference: readonly Float32Array[]): Metric {
  return {
    name: 'KL from reference',
    positions: 'last',
    evaluate: (logits, { prompts }) => {
      const now = logits.get(':', -1).logSoftmax()
      const [rows, vocabulary] = now.shape as [number, number]
      const data = new Float32Array(rows * vocabulary)
      prompts.forEach((prompt, row) => {
        const given = reference[prompt]
        if (given?.length !== vocabulary)
          throw new DiopterError(
            `The reference logits of prompt ${prompt} have ${given?.length ?? 0} entries; the vocabulary has ${vocabulary}.`,
          )
        data.set(given, row * vocabulary)
      })
      const then = tensor(data, [rows, vocabulary]).logSoftmax()
      return then.exp().mul(then.sub(now)).sum(-1)
    },
  }
}

/** The tokens [n, P-1] behind the first of rows [n, P], and which of them a model with `vocabulary` logits can predict, 1 or 0. */
export function nextTokenTargets(
  tokens: Tensor,
  vocabulary: number,
): { readonly tokens: Tensor; readonly predicted: Tensor } {
  const next = tokens.slice(1, 1)
  // Toy models may read tokens that they have no logit for: any index in range will do where none counts.
  return { tokens: next.minimum(vocabulary - 1), predicted: next.less(vocabulary).cast('float32') }
}

/** Mean cross-entropy of every next token of the prompt that has a logit, in nats; NaN where none has. */
export function loss(): Metric {
  return {
    name: 'loss',
    positions: 'all',
    evaluate: (logits, { tokens }) => {
      if (tokens.shape[1]! < 2)
        throw new DiopterError('The loss needs prompts of at least two tokens: the first has nothing before it.')
      const next = nextTokenTargets(tokens, logits.shape.at(-1)!)
      const losses = crossEntropy(logits.slice(1, 0, -1), next.tokens)
      return losses.mul(next.predicted).sum(-1).div(next.predicted.sum(-1))
    },
  }
}

/** A metric from a plain traced function; such a metric sees the logits of all positions. */
export function asMetric(metric: Metric | MetricFunction): Metric {
  return typeof metric === 'function' ? { name: metric.name || 'metric', positions: 'all', evaluate: metric } : metric
}

/** The metric's values [n] of rows, checked. */
export function evaluateMetric(metric: Metric, logits: Tensor, context: MetricContext, mayBeScalar: boolean): Tensor {
  const value: unknown = metric.evaluate(logits, context)
  const n = context.prompts.length
  if (!(value instanceof Tensor))
    throw new DiopterError(`The metric '${metric.name}' returned no tensor; return one value per row, [${n}].`)
  if (value.rank === 1 && value.shape[0] === n) return value
  if (sizeOf(value.shape) === 1 && (mayBeScalar || n === 1)) return value.reshape(1)
  throw new DiopterError(
    `The metric '${metric.name}' returned shape [${value.shape.join(', ')}] for ${n} rows; return one value per row, [${n}]${mayBeScalar ? ', or a scalar' : ' (a scalar is only possible when all prompts have the same length)'}.`,
  )
}
