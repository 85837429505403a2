import { permutation, type RandomSource, randomSource } from '../../../random/index.ts'

/** What planted text is made of. */
export interface PlantedRepeats {
  /** Tokens of the text, 0 .. vocabulary - 1; token `vocabulary` starts every sequence. */
  readonly vocabulary: number
  /** Successors that every token has in the Markov source, per lag. */
  readonly branching: number
  /** Tokens of a sequence after the start token. */
  readonly length: number
}

/** The share of spans that repeat an earlier one. */
const REPEATS = 1 / 2

/** The share of uniformly random tokens in Markov text: what only its own repetition can foretell. */
const SURPRISES = 1 / 4

/** Shortest and longest new span. */
const SPAN = [8, 24] as const

/** The share of the sequence before which nothing is repeated: there is nothing to learn from the context. */
const FREE_OF_REPEATS = 1 / 8

/** How far back the tokens lie on which the next one depends: each decides half of the time. */
const LAGS = [1, 2] as const

/** Draws sequences of planted text: each a start token and `length` tokens, from random numbers of its own. */
export type TextSource = (random: RandomSource) => Uint32Array

/**
 * A source of text in spans. A new span is 8 to 24 tokens of Markov text: the next token is one of `branching` successors
 * of the last token or of the one before, by tables fixed by `seed` (a mixture transition model, Raftery 1985), and every
 * fourth is any token at all. Other spans repeat an earlier one, at any distance: only looking at what followed before tells
 * how they go on. Whoever cannot do that finds every position equally hard, the first ones of the sequence excepted.
 */
export function plantedRepeats({ vocabulary, branching, length }: PlantedRepeats, seed: number): TextSource {
  // [lag][token]: what may follow `lag` tokens after it
  const successors = LAGS.map((lag) =>
    Array.from({ length: vocabulary }, (_, token) =>
      randomSuccessors(vocabulary, branching, randomSource(seed, 'successors', lag, token)),
    ),
  )
  const follow = (text: Uint32Array, start: number, at: number, random: RandomSource) => {
    const which = random.integer(LAGS.length)
    const before = at - LAGS[which]!
    // nothing follows from the span before
    if (before < start || random.uniform() < SURPRISES) return random.integer(vocabulary)
    const { tokens, probabilities } = successors[which]![text[before]!]!
    let left = random.uniform()
    const chosen = probabilities.findIndex((probability) => {
      left -= probability
      return left < 0
    })
    return tokens.at(chosen)!
  }
  const firstRepeat = Math.ceil(length * FREE_OF_REPEATS)

  return (random) => {
    const text = new Uint32Array(1 + length)
    text[0] = vocabulary
    const starts: number[] = []
    let start = 1
    while (start <= length) {
      const earlier = start >= firstRepeat && random.uniform() < REPEATS ? random.integer(starts.length) : undefined
      let end: number
      if (earlier === undefined) {
        end = Math.min(start + SPAN[0] + random.integer(SPAN[1] - SPAN[0] + 1), length + 1)
        for (let at = start; at < end; at++) text[at] = follow(text, start, at, random)
      } else {
        const from = starts[earlier]!
        end = Math.min(start + (starts[earlier + 1] ?? start) - from, length + 1)
        text.copyWithin(start, from, from + end - start)
      }
      starts.push(start)
      start = end
    }
    return text
  }
}

/** Some different tokens with random probabilities. */
function randomSuccessors(vocabulary: number, branching: number, random: RandomSource) {
  const tokens = permutation(vocabulary, random).subarray(0, branching)
  // exponential variables over their sum are uniform on the simplex
  const weights = Array.from(tokens, () => -Math.log(1 - random.uniform()))
  const total = weights.reduce((a, b) => a + b)
  return { tokens, probabilities: weights.map((weight) => weight / total) }
}

/** A start token and `copies` copies of `size` different random tokens. */
export function repeatedRandomTokens(
  vocabulary: number,
  size: number,
  copies: number,
  random: RandomSource,
): Uint32Array {
  const once = permutation(vocabulary, random).subarray(0, size)
  const text = new Uint32Array(1 + size * copies)
  text[0] = vocabulary
  for (let copy = 0; copy < copies; copy++) text.set(once, 1 + copy * size)
  return text
}
