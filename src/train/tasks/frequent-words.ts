import { type RandomSource, randomSource } from '../../random/index.ts'

/** What a synthetic language is made of. */
export interface FrequentWords {
  /** Tokens 0 .. vocabulary - 1, of Zipf's frequencies: token k is 1 / (k + 3) as frequent. */
  readonly vocabulary: number
  /** Tokens that may follow a token. */
  readonly branching: number
  readonly length: number
}

/** The share of tokens that nothing foretells. */
const SURPRISES = 0.2
/** How often a repetition of an earlier stretch begins. */
const REPETITIONS = 0.03
/** Shortest and longest repetition. */
const STRETCH = [6, 20] as const
/** How far back the token lies that decides the next one. */
const LAGS = [1, 2] as const

/**
 * A source of sequences with the statistics that text has: few frequent and many rare tokens (Zipf), local grammar (one of
 * `branching` successors of the last token or of the one before, fixed by `seed`), repetitions, and surprises.
 */
export function frequentWords(
  { vocabulary, branching, length }: FrequentWords,
  seed: number,
): (random: RandomSource) => Uint16Array {
  const cumulative = new Float64Array(vocabulary)
  for (let k = 0; k < vocabulary; k++) cumulative[k] = (cumulative[k - 1] ?? 0) + 1 / (k + 3)
  const total = cumulative[vocabulary - 1]!
  const word = (random: RandomSource) => firstAbove(cumulative, random.uniform() * total)
  const successors = LAGS.map((lag) => {
    const random = randomSource(seed, 'successors', lag)
    return Array.from({ length: vocabulary }, () => Uint16Array.from({ length: branching }, () => word(random)))
  })

  return (random) => {
    const text = new Uint16Array(length)
    let from = 0
    let left = 0
    for (let at = 0; at < length; at++) {
      if (left === 0 && at > STRETCH[1] && random.uniform() < REPETITIONS) {
        left = STRETCH[0] + random.integer(STRETCH[1] - STRETCH[0] + 1)
        from = random.integer(at - STRETCH[1])
      }
      if (left > 0) {
        text[at] = text[from++]!
        left--
        continue
      }
      const which = random.integer(LAGS.length)
      const before = at - LAGS[which]!
      // the smaller of two draws: the first successors are likelier
      const rank = Math.min(random.integer(branching), random.integer(branching))
      text[at] = before < 0 || random.uniform() < SURPRISES ? word(random) : successors[which]![text[before]!]![rank]!
    }
    return text
  }
}

/** The first place whose value is above `value`, in a rising list. */
function firstAbove(rising: Float64Array, value: number): number {
  let [low, high] = [0, rising.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (rising[middle]! > value) high = middle
    else low = middle + 1
  }
  return low
}
