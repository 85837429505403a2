import type { PairJson, QuestionJson } from './prompt-schema.ts'

// What a page opens with, and tests run, on the text model that ships.

/** A text with names that come again. */
export const EXAMPLE_TEXT = 'Mr. Darcy looked at Elizabeth, and Elizabeth looked at Mr.'

/** Agreement across a phrase: the plural is read from the third token. */
export const EXAMPLE_QUESTION: QuestionJson = {
  prompt: 'The men who came from the city',
  answer: ' were',
  wrong: ' was',
}

/** The same with a singular beside it. */
export const EXAMPLE_PAIR: PairJson = {
  clean: 'The men who came from the city',
  corrupt: 'The man who came from the city',
  answer: ' were',
  wrong: ' was',
}

/** A noun whose gender the pronoun follows: the shipped text model gets both right. */
export const EXAMPLE_PRONOUN_PAIR: PairJson = {
  clean: 'The lady put on',
  corrupt: 'The gentleman put on',
  answer: ' her',
  wrong: ' his',
}
