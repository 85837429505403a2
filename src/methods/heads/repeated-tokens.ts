import { DiopterError } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { permutation, randomSource } from '../../random/index.ts'

/** How random tokens are drawn and repeated. */
export interface RepeatedTokensOptions {
  /** Sequences; 10 unless said. */
  readonly examples?: number
  /** Different tokens before the first repeat; 25 unless said, fewer where the context or the vocabulary is small. */
  readonly period?: number
  /** How often the tokens come in all; 4 unless said, fewer where the context is small. */
  readonly repeats?: number
  /** What stands first: a token, or null for nothing; the tokenizer's start token unless said. */
  readonly startToken?: number | null
  /** What is drawn from; every token of the vocabulary that is not special unless said. */
  readonly tokens?: readonly number[]
  readonly seed?: number
}

/** Sequences of random tokens that repeat. */
export interface RepeatedTokens {
  readonly startToken: number | null
  readonly period: number
  readonly repeats: number
  /** Token ids, [example][(start token) + repeats * period]. */
  readonly sequences: readonly (readonly number[])[]
}

/**
 * Sequences in which `period` different random tokens come `repeats` times in the same order, as induction heads are
 * found by (Olsson et al. 2209.11895: 25 tokens, 4 times, after the start token). Throws when the model's context or the
 * tokens to draw from do not allow them.
 */
export function repeatedRandomTokens(model: Model, options: RepeatedTokensOptions = {}): RepeatedTokens {
  const { n_ctx, d_vocab, d_vocab_out } = model.config
  const { examples = 10, startToken = model.tokenizer?.bosId ?? null, seed = 0 } = options
  const drawn = (options.tokens ?? plainTokens(model)).filter((token) => token !== startToken)
  const context = n_ctx - (startToken === null ? 0 : 1)
  if (context < 4)
    throw new DiopterError(
      `Repeated tokens need room for two different ones, twice; this model's context has room for ${context} (n_ctx ${n_ctx}), so there is nothing to look for.`,
    )
  const period = options.period ?? Math.min(25, drawn.length, Math.floor(context / 2))
  const repeats = options.repeats ?? Math.min(4, Math.floor(context / Math.max(period, 1)))
  for (const [name, value, least] of [
    ['examples', examples, 1],
    ['period', period, 2],
    ['repeats', repeats, 2],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new DiopterError(`${name} ${value} was asked for; repeated tokens need a whole number from ${least}.`)
  if (period * repeats > context)
    throw new DiopterError(
      `${repeats} times ${period} tokens were asked for; this model's context has room for ${context} (n_ctx ${n_ctx}).`,
    )
  if (period > drawn.length)
    throw new DiopterError(`${period} different tokens were asked for; there are ${drawn.length} to draw from.`)
  const outside = drawn.find(
    (token) => !Number.isInteger(token) || token < 0 || token >= Math.min(d_vocab, d_vocab_out),
  )
  if (outside !== undefined)
    throw new DiopterError(`Token id ${outside} is outside the vocabulary (0..${Math.min(d_vocab, d_vocab_out) - 1}).`)
  const sequences = Array.from({ length: examples }, (_, example) => {
    const order = permutation(drawn.length, randomSource(seed, 'repeated tokens', example))
    const once = Array.from(order.subarray(0, period), (i) => drawn[i]!)
    const repeated = Array.from({ length: repeats }, () => once).flat()
    return startToken === null ? repeated : [startToken, ...repeated]
  })
  return { startToken, period, repeats, sequences }
}

/** The same tokens in random order, what stands first where it was: every repeat is destroyed. */
export function shuffledTokens(ids: readonly number[], startToken: number | null, seed: number): number[] {
  const fixed = startToken !== null && ids[0] === startToken ? 1 : 0
  const order = permutation(ids.length - fixed, randomSource(seed, 'shuffled tokens', ids.length))
  return [...ids.slice(0, fixed), ...Array.from(order, (i) => ids[fixed + i]!)]
}

function plainTokens({ config, tokenizer }: Model): number[] {
  const special = new Set(tokenizer?.specialTokens.values() ?? [])
  return Array.from({ length: Math.min(config.d_vocab, config.d_vocab_out) }, (_, token) => token).filter(
    (token) => !special.has(token),
  )
}
