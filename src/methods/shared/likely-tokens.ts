import { DiopterError } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'

/** A token with its probability. */
export interface LikelyToken {
  readonly id: number
  readonly token: string
  readonly probability: number
}

/** Throws when `topK` exceeds the vocabulary. */
export function requireTopK({ config: { d_vocab_out } }: Model, topK: number): void {
  if (!(Number.isInteger(topK) && topK >= 1 && topK <= d_vocab_out))
    throw new DiopterError(`topK ${topK} must be a whole number from 1 to ${d_vocab_out}, the size of the vocabulary.`)
}

type Numbers = ArrayLike<number | bigint>

/** Entry `cell` of `topK` tokens each, from the ids and log-probabilities of all entries. */
export function likelyTokens(
  { tokenizer }: Model,
  ids: Numbers,
  logProbabilities: Numbers,
  cell: number,
  topK: number,
): LikelyToken[] {
  return Array.from({ length: topK }, (_, i) => {
    const id = Number(ids[cell * topK + i])
    const probability = Math.exp(Number(logProbabilities[cell * topK + i]))
    return { id, token: tokenizer?.tokenText(id) ?? String(id), probability }
  })
}
