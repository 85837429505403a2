import * as v from 'valibot'
import { promptSchema, questionSchema } from './prompt-schema.ts'

// Fields that several methods' parameters share.

export const count = v.pipe(v.number(), v.integer(), v.minValue(1))
const index = v.pipe(v.number(), v.integer())
/** Indices from 0; negative ones count from the end. */
export const indices = v.pipe(v.array(index), v.minLength(1))
export const position = index
export const promptList = v.pipe(v.array(promptSchema), v.minLength(1))

/** Questions; a bare prompt is one without an answer. */
export const questionList = v.pipe(
  v.array(
    v.union(
      [
        v.pipe(
          promptSchema,
          v.transform((prompt) => ({ prompt })),
        ),
        questionSchema,
      ],
      'a text, a list of token ids, or { prompt, answer, wrong }',
    ),
  ),
  v.minLength(1),
)
