import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import { bothDirections, type PromptPair, singleTokenItems, type TemplatedTask } from './prompt-pairs.ts'

/** Singular and plural; those that are single tokens are used. */
const nouns = [
  [' man', ' men'],
  [' woman', ' women'],
  [' child', ' children'],
  [' boy', ' boys'],
  [' friend', ' friends'],
  [' parent', ' parents'],
  [' whale', ' whales'],
  [' ship', ' ships'],
  [' tree', ' trees'],
  [' school', ' schools'],
  [' house', ' houses'],
  [' lady', ' ladies'],
  [' brother', ' brothers'],
  [' sister', ' sisters'],
  [' spirit', ' spirits'],
  [' voice', ' voices'],
  [' nation', ' nations'],
  [' star', ' stars'],
] as const

const past = [' was', ' were'] as const
const present = [' is', ' are'] as const
const perfect = [' has', ' have'] as const

/** What stands before "the", and the verbs that may follow the noun. */
const openings = [
  ['At last the', past],
  ['She saw that the', past],
  ['He knew very well that the', past],
  ['It is true that the', present],
  ['I think that the', perfect],
] as const

/** Nouns between subject and verb, of both numbers. */
const attractors = [
  ' of the house',
  ' of the world',
  ' in the streets',
  ' of the ships',
  ' of the other nations',
  ' at the door',
]

function contrasts(tokenizer: Tokenizer, between: readonly string[]): PromptPair[] {
  const used = singleTokenItems(tokenizer, nouns, 5)
  return used.flatMap(([singular, plural], i) =>
    openings.flatMap(([opening, [one, many]], j) => {
      // Every noun and opening meet once, each with another of the phrases between.
      const rest = between[(i + j) % between.length]!
      return bothDirections(tokenizer, [
        { prompt: `${opening}${singular}${rest}`, answer: one },
        { prompt: `${opening}${plural}${rest}`, answer: many },
      ])
    }),
  )
}

/** "At last the men" -> " were", "At last the man" -> " was". */
export const agreement: TemplatedTask = {
  name: 'agreement',
  description: 'The verb agrees with the noun right before it ("At last the men" -> " were").',
  pairs: (tokenizer) => contrasts(tokenizer, ['']),
}

/** "At last the men of the house" -> " were": the noun before the verb says nothing. */
export const agreementAcross: TemplatedTask = {
  name: 'agreement-across',
  description:
    'The verb agrees with its subject across another noun ("At last the men of the house" -> " were"), which is the same in both prompts.',
  pairs: (tokenizer) => contrasts(tokenizer, attractors),
}
