import { DiopterError, throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { countContinuations, countNgrams, indexOfKey, type NgramTable } from './ngram-table.ts'

/** A distribution over the next token that looks at a few tokens before it. */
export interface NgramModel {
  readonly order: number
  readonly vocabularySize: number
  /**
   * Natural logarithm of the probability of a token after a context.
   * @param context ids; its last `order - 1` count. A shorter one is answered by the lower order that fits it.
   */
  logProbability(context: ArrayLike<number>, token: number): number
}

/** What is taken off counts of 1, of 2, and of 3 or more. */
export type Discounts = readonly [one: number, two: number, more: number]

/** A Kneser-Ney model with the discounts that it uses, of the unigrams first. */
export interface KneserNeyModel extends NgramModel {
  readonly discounts: readonly Discounts[]
}

/** Length of the n-grams and number of ids. */
export interface KneserNeyOptions extends WorkOptions {
  readonly order: number
  readonly vocabularySize: number
}

/**
 * Estimates an interpolated, modified Kneser-Ney model of token ids. With c the count of the n-gram (below the highest order: the number
 * of different tokens before it), `p(w | h) = (c(hw) - D(c(hw))) / c(h) + left(h) p(w | h without its first token)`, where `left(h)` is
 * what the discounts took off; below the unigrams stands the uniform distribution, so no token has probability 0.
 * @param tokens the training text.
 * @returns the model; it holds some 20 bytes for each different n-gram.
 * @throws DiopterError on ids outside the vocabulary, an order below 1, a text shorter than the order, and a vocabulary so large that
 * an n-gram is not an exact number.
 * Source: Chen and Goodman 1998, "An empirical study of smoothing techniques for language modeling", section 3.
 */
export function kneserNey(tokens: ArrayLike<number>, options: KneserNeyOptions): KneserNeyModel {
  const { order, vocabularySize, signal, onProgress } = options
  checkArguments(tokens, order, vocabularySize)
  const levels = Array.from({ length: order }, (_, i) => {
    throwIfAborted(signal)
    onProgress?.({ phase: 'count n-grams', done: i, total: order, unit: 'orders' })
    const length = i + 1
    const table =
      length === order
        ? countNgrams(tokens, length, vocabularySize)
        : countContinuations(countNgrams(tokens, length + 1, vocabularySize), length, vocabularySize)
    return createLevel(table, vocabularySize)
  })
  onProgress?.({ phase: 'count n-grams', done: order, total: order, unit: 'orders' })

  return {
    order,
    vocabularySize,
    discounts: levels.map(({ discounts }) => discounts),
    logProbability(context, token) {
      if (!(token >= 0 && token < vocabularySize)) {
        throw new DiopterError(`Token ${token} is outside the vocabulary of ${vocabularySize}.`)
      }
      const longest = Math.min(order - 1, context.length)
      let probability = 1 / vocabularySize
      for (let length = 0, key = 0, digit = 1; length <= longest; length++) {
        if (length > 0) {
          key += context[context.length - length]! * digit
          digit *= vocabularySize
        }
        probability = levels[length]!.interpolate(key, token, probability)
      }
      return Math.log(probability)
    },
  }
}

/**
 * The mean loss of a model on a text, in nats per token: of every token but the first, each after all that stands before it.
 * @throws DiopterError when the text has fewer than two tokens.
 */
export function ngramLoss(model: NgramModel, tokens: Uint16Array): number {
  if (tokens.length < 2) throw new DiopterError('A loss needs a text of at least two tokens.')
  let total = 0
  for (let i = 1; i < tokens.length; i++) {
    total -= model.logProbability(tokens.subarray(Math.max(0, i - model.order + 1), i), tokens[i]!)
  }
  return total / (tokens.length - 1)
}

/** One order: its discounted counts and what each context leaves to the order below. */
interface Level {
  readonly discounts: Discounts
  /** The probability of a token after a context, given its probability by the order below. */
  interpolate(context: number, token: number, below: number): number
}

function createLevel({ keys, counts }: NgramTable, vocabularySize: number): Level {
  const discounts = estimateDiscounts(counts)
  const discountOf = (count: number): number => discounts[Math.min(count, 3) - 1]!
  const contextOf = (i: number): number => Math.floor(keys[i]! / vocabularySize)
  let size = 0
  for (let i = 0; i < keys.length; i++) if (i === 0 || contextOf(i) !== contextOf(i - 1)) size++
  const contexts = new Float64Array(size)
  const totals = new Float64Array(size)
  const left = new Float64Array(size)
  let at = -1
  for (let i = 0; i < keys.length; i++) {
    if (i === 0 || contextOf(i) !== contextOf(i - 1)) contexts[++at] = contextOf(i)
    totals[at]! += counts[i]!
    left[at]! += discountOf(counts[i]!)
  }
  return {
    discounts,
    interpolate(context, token, below) {
      const place = indexOfKey(contexts, context)
      if (place < 0) return below
      const gram = indexOfKey(keys, context * vocabularySize + token)
      const kept = gram < 0 ? 0 : counts[gram]! - discountOf(counts[gram]!)
      return (kept + left[place]! * below) / totals[place]!
    },
  }
}

/**
 * Discounts from how many n-grams have counts 1 to 4. A text too small for three has one discount, `n1 / (n1 + 2 n2)` (plain
 * Kneser-Ney), and 1/2 where no n-gram stands once, so that unseen tokens keep a probability.
 */
function estimateDiscounts(counts: Uint32Array): Discounts {
  const having = [0, 0, 0, 0, 0]
  for (const count of counts) if (count <= 4) having[count]!++
  const [, n1 = 0, n2 = 0, n3 = 0, n4 = 0] = having
  const plain = n1 > 0 ? n1 / (n1 + 2 * n2) : 0.5
  const three: Discounts = [1 - (2 * plain * n2) / n1, 2 - (3 * plain * n3) / n2, 3 - (4 * plain * n4) / n3]
  // Without n1, n2 or n3 a discount is not finite; with odd proportions one may be negative.
  return three.every((discount) => discount > 0 && discount < Number.POSITIVE_INFINITY) ? three : [plain, plain, plain]
}

function checkArguments(tokens: ArrayLike<number>, order: number, vocabularySize: number): void {
  if (!Number.isInteger(order) || order < 1) throw new DiopterError(`An n-gram's order is 1 or more, not ${order}.`)
  if (tokens.length < order) {
    throw new DiopterError(`A text of ${tokens.length} tokens holds no n-gram of ${order}.`)
  }
  if (vocabularySize ** order > Number.MAX_SAFE_INTEGER) {
    const most = Math.floor(Math.log(Number.MAX_SAFE_INTEGER) / Math.log(vocabularySize))
    throw new DiopterError(`With ${vocabularySize} ids the order can be at most ${most}; ${order} was asked for.`)
  }
  for (let i = 0; i < tokens.length; i++) {
    if (!(tokens[i]! >= 0 && tokens[i]! < vocabularySize)) {
      throw new DiopterError(`Token ${tokens[i]} at ${i} is outside the vocabulary of ${vocabularySize}.`)
    }
  }
}
