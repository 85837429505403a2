import type { PairJson, QuestionJson } from './prompt-schema.ts'

// What a page opens with, and tests run, on the text model that ships.

/** A text with names that come again. */
export const EXAMPLE_TEXT = 'Mr. Darcy looked at Elizabeth, and Elizabeth looked at Mr.'

/** A name that comes again: induction heads read it from where it stood before. */
export const EXAMPLE_QUESTION: QuestionJson = {
  prompt: 'There was Miss Smith at the window, and everybody looked at Miss',
  answer: ' Smith',
  wrong: ' Bates',
}

/** The same with another name beside it. */
export const EXAMPLE_PAIR: PairJson = {
  clean: 'There was Miss Smith at the window, and everybody looked at Miss',
  corrupt: 'There was Miss Bates at the window, and everybody looked at Miss',
  answer: ' Smith',
  wrong: ' Bates',
}

/** A noun whose gender the pronoun follows: the shipped text model gets both right. */
export const EXAMPLE_PRONOUN_PAIR: PairJson = {
  clean: 'The lady put on',
  corrupt: 'The gentleman put on',
  answer: ' her',
  wrong: ' his',
}

/** The same with another noun of as many tokens: a subject to corrupt. */
export const EXAMPLE_SUBJECT_PAIR: PairJson = {
  clean: 'The lady put on',
  corrupt: 'The man put on',
  answer: ' her',
  wrong: ' his',
}

/** Nouns whose gender the pronoun follows, for exchanging them: each is one token. */
const GENDERED = {
  ' her': ['lady', 'girl', 'mother', 'sister', 'woman', 'daughter', 'wife', 'maid'],
  ' his': ['gentleman', 'boy', 'man', 'son', 'king', 'captain', 'master', 'prince'],
} as const

/** Examples that differ in one noun. */
export const EXAMPLE_GENDER_QUESTIONS: QuestionJson[] = Object.entries(GENDERED).flatMap(([answer, nouns]) =>
  nouns.map((noun) => ({ prompt: `The ${noun} put on`, answer })),
)

/** What of them matters at the last position, in all that the model gathers there: the gender. */
export const EXAMPLE_GENDER_HYPOTHESIS = {
  output: ['what the last position gathers'],
  nodes: [
    {
      name: 'what the last position gathers',
      parts: ['embed', 'heads', 'mlps'],
      positions: [-1],
      feature: { label: 'gender' },
    },
  ],
  labels: { gender: Object.values(GENDERED).flatMap((nouns, i) => nouns.map(() => ['female', 'male'][i]!)) },
}
