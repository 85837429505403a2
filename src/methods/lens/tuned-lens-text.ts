import { DiopterError, type WorkOptions } from '../../errors/index.ts'
import type { Model, Prompt } from '../../lab/index.ts'
import { permutation, randomSource } from '../../random/index.ts'

/** Token sequences that a lens is trained on, and others that it is measured on. */
export interface LensText {
  readonly training: readonly (readonly number[])[]
  readonly heldOut: readonly (readonly number[])[]
}

/** One sequence in five is held out. */
const HELD_OUT_EVERY = 5

/**
 * Splits texts (or token ids) into sequences of at most `length` tokens, each behind the start token where the tokenizer gives
 * one; what is left over at the end of a long text is dropped. Sequences are shuffled, cut off after `tokens` tokens, and
 * one in five is held out; equal sequences count once. Throws when there are fewer than two.
 */
export function splitTexts(
  model: Model,
  texts: readonly Prompt[],
  {
    length,
    tokens,
    seed,
    prependBos,
  }: { length: number; tokens: number; seed: number; prependBos?: boolean | undefined },
): LensText {
  const sequences = texts.flatMap((text) => {
    const { ids } = model.tokenize(text, prependBos)
    if (ids.length <= length) return [ids]
    const start = ids[0] === model.tokenizer?.bosId ? [ids[0]!] : []
    const own = ids.slice(start.length)
    const size = length - start.length
    return Array.from({ length: Math.floor(own.length / size) }, (_, i) => [
      ...start,
      ...own.slice(i * size, (i + 1) * size),
    ])
  })
  const different = [...new Map(sequences.map((ids) => [ids.join(), ids])).values()]
  if (different.length < 2)
    throw new DiopterError(
      `The texts give ${different.length} ${different.length === 1 ? 'sequence' : 'sequences'} of up to ${length} tokens; a lens is trained on some and measured on others: give more text, or a smaller sequence length.`,
    )
  const order = permutation(different.length, randomSource(seed, 'tuned lens', 'text'))
  const shuffled = Array.from(order, (i) => different[i]!)
  let taken = 0
  const within = shuffled.filter((ids, i) => {
    taken += ids.length
    return i < 2 || taken <= tokens
  })
  return {
    training: within.filter((_, i) => i % HELD_OUT_EVERY !== 1),
    heldOut: within.filter((_, i) => i % HELD_OUT_EVERY === 1),
  }
}

/** Sequences that are sampled at once. */
const ROWS = 32

/**
 * Texts that the model samples by itself at temperature 1, as token ids of `length`: from the start token, or a random one where
 * there is none. Gives what is done when the work is cancelled.
 */
export async function ownSamples(
  model: Model,
  { length, tokens, seed, signal, onProgress }: { length: number; tokens: number; seed: number } & WorkOptions,
): Promise<(readonly number[])[]> {
  const count = Math.max(2, Math.ceil(tokens / length))
  const random = randomSource(seed, 'tuned lens', 'samples')
  const start = model.tokenizer?.bosId
  const samples: (readonly number[])[] = []
  const started = performance.now()
  while (samples.length < count && !signal?.aborted) {
    const prompts = Array.from({ length: Math.min(ROWS, count - samples.length) }, () => [
      start ?? random.integer(Math.min(model.config.d_vocab, model.config.d_vocab_out)),
    ])
    const { continuations } = await model.generate(prompts, {
      tokens: length - 1,
      temperature: 1,
      seed: seed + samples.length,
      stopAtSpecial: false,
      signal,
    })
    samples.push(...continuations.map(({ prompt, ids }) => [...prompt.ids, ...ids]))
    onProgress?.({
      phase: "sampling the model's own text",
      done: samples.length,
      total: count,
      unit: 'texts',
      etaSeconds: ((performance.now() - started) / 1000) * (count / samples.length - 1),
    })
  }
  return samples.filter(({ length: tokensOf }) => tokensOf === length)
}
