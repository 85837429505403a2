import { accuracy, type Parameters } from '../../../optim/index.ts'
import { randomSource } from '../../../random/index.ts'
import { concat, crossEntropy, type Tensor } from '../../../tensor/index.ts'
import type { Evaluation } from '../../problem.ts'
import type { TrainableModel } from '../../trainable-model.ts'
import { repeatedRandomTokens } from './planted-repeats.ts'

/** Held-out sequences; the loss at one place of 128 of them has a standard error of about 0.04 nats. */
const TEST_SEQUENCES = 128

/** Sequences that are run at once, as attention patterns take much memory. */
const AT_ONCE = 16

/** Equal stretches of the context by which the loss is logged. */
export const STRETCHES = 32

/**
 * The stretches (first, end) that the in-context-learning score compares: loss around position 240 minus loss around
 * position 24 of 256, each the mean over 16 positions. Nothing is repeated before the end of the early ones.
 */
export const IN_CONTEXT = { early: [2, 4], late: [29, 31] } as const

/** Olsson et al. repeat 25 random tokens four times. */
const PREFIX = { tokens: 25, copies: 4 } as const

/** Draws sequence `index` of a set, the same each time. */
type Draw = (index: number) => Uint32Array

/** Sequences of the same length as one array of token ids [sequences, length]. */
export function sequences(number: number, draw: Draw) {
  const rows = Array.from({ length: number }, (_, i) => draw(i))
  const shape = [number, rows[0]!.length] as const
  return { dtype: 'int64' as const, shape, data: BigInt64Array.from(rows.flatMap((row) => Array.from(row, BigInt))) }
}

/** Each token's loss given those before it, for tokens [B, P + 1]: losses [B, P] in nats, logits [B, P, V], targets [B, P]. */
export function nextTokenLosses(model: TrainableModel, parameters: Parameters, tokens: Tensor) {
  const length = tokens.shape[1]! - 1
  const logits = model.logits(parameters, tokens.slice(1, 0, length))
  const targets = tokens.slice(1, 1)
  return { logits, targets, losses: crossEntropy(logits, targets) }
}

/** Held-out text: mean loss, loss by position (STRETCHES numbers), and the in-context-learning score (negative: it learns). */
export function textEvaluation(model: TrainableModel, draw: Draw): Evaluation {
  return {
    name: 'text',
    inputs: { tokens: sequences(TEST_SEQUENCES, draw) },
    trace(parameters, { tokens }) {
      const parts = Array.from(
        { length: TEST_SEQUENCES / AT_ONCE },
        (_, i) => nextTokenLosses(model, parameters, tokens!.slice(0, i * AT_ONCE, (i + 1) * AT_ONCE)).losses,
      )
      const losses = concat(parts)
      // [B, P] -> [B, stretches, P / stretches] -> [stretches]
      const byPosition = losses.reshape(TEST_SEQUENCES, STRETCHES, -1).mean([0, 2])
      const [early, late] = [IN_CONTEXT.early, IN_CONTEXT.late].map(([from, to]) =>
        byPosition.slice(0, from, to).mean(),
      )
      return { loss: losses.mean(), byPosition, inContext: late!.sub(early!) }
    },
  }
}

/**
 * Random tokens twice over: the loss on each copy, their ratio, and how often the second is predicted. The second copy's
 * first token is left out, since nothing announces it.
 */
export function repeatsEvaluation(
  model: TrainableModel,
  { vocabulary, n_ctx }: { readonly vocabulary: number; readonly n_ctx: number },
  seed: number,
): Evaluation {
  const size = Math.min(64, n_ctx / 4)
  const tokens = sequences(32, (i) => repeatedRandomTokens(vocabulary, size, 2, randomSource(seed, 'repeats', i)))
  return {
    name: 'repeats',
    inputs: { tokens },
    trace(parameters, inputs) {
      const { losses, logits, targets } = nextTokenLosses(model, parameters, inputs.tokens!)
      const [first, second] = [losses.slice(1, 0, size).mean(), losses.slice(1, size + 1).mean()]
      const right = accuracy(logits.slice(1, size + 1), targets.slice(1, size + 1))
      return { first, second, ratio: second.div(first), accuracy: right }
    },
  }
}

/**
 * Prefix matching of every head (Olsson et al. 2022, with the erratum of 2022-09-20), on random tokens repeated four times:
 * attention from each token to the tokens after its earlier occurrences, from the second copy on. Layer by layer.
 */
export function prefixEvaluation(
  model: TrainableModel,
  { vocabulary, n_ctx }: { readonly vocabulary: number; readonly n_ctx: number },
  seed: number,
): Evaluation {
  const period = Math.min(PREFIX.tokens, Math.floor((n_ctx - 1) / PREFIX.copies))
  const tokens = sequences(AT_ONCE, (i) =>
    repeatedRandomTokens(vocabulary, period, PREFIX.copies, randomSource(seed, 'prefix', i)),
  )
  const length = tokens.shape[1]
  const first = 1 + period
  const isFollower = (query: number, key: number) => query >= first && key > 1 && (query + 1 - key) % period === 0
  return {
    name: 'heads',
    inputs: { tokens, chosen: keysOf(length, isFollower) },
    trace: (parameters, inputs) => ({
      prefixMatching: attentionTo(model, parameters, inputs.tokens!, inputs.chosen!, first),
    }),
  }
}

/** Previous-token attention of every head on held-out text: the mean of A[i, i-1], layer by layer. */
export function previousTokenEvaluation(model: TrainableModel, draw: Draw): Evaluation {
  const tokens = sequences(AT_ONCE, draw)
  const length = tokens.shape[1] - 1
  return {
    name: 'heads',
    inputs: { tokens, chosen: keysOf(length, (query, key) => key === query - 1) },
    trace: (parameters, inputs) => ({
      previousToken: attentionTo(model, parameters, inputs.tokens!.slice(1, 0, length), inputs.chosen!, 1),
    }),
  }
}

/** 1 where a query's attention to a key counts, else 0: float32 [length, length]. */
function keysOf(length: number, counts: (query: number, key: number) => boolean) {
  const data = Float32Array.from({ length: length * length }, (_, i) => {
    const [query, key] = [Math.floor(i / length), i % length]
    return key <= query && counts(query, key) ? 1 : 0
  })
  return { dtype: 'float32' as const, shape: [length, length], data }
}

/** The mean attention of each head to the chosen keys, over queries from `first` on: [layers * heads], layer by layer. */
function attentionTo(
  model: TrainableModel,
  parameters: Parameters,
  tokens: Tensor,
  chosen: Tensor,
  first: number,
): Tensor {
  const means: Tensor[] = []
  model.logits(parameters, tokens, (name, x) => {
    // [B, H, Q, K] -> [B, H, Q] -> [H]
    if (name.endsWith('.hook_pattern')) means.push(x.mul(chosen).sum(-1).slice(2, first).mean([0, 2]))
    return x
  })
  return concat(means)
}
