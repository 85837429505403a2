import * as v from 'valibot'

/** A text, or token ids. */
export const promptSchema = v.union(
  [v.string(), v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.minLength(1))],
  'a prompt is a text or a list of token ids',
)

/** One token: its text exactly as typed (leading space kept), or its id. */
export const tokenSchema = v.union(
  [v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))],
  'a token is a text that is one token, or a token id',
)

/** A prompt with the token that should come next, and one that should not. */
export const questionSchema = v.strictObject({
  prompt: promptSchema,
  answer: v.optional(tokenSchema),
  wrong: v.optional(tokenSchema),
})

/** Two prompts that differ in what matters, with the clean one's answer and the corrupted one's. */
export const pairSchema = v.strictObject({
  clean: promptSchema,
  corrupt: promptSchema,
  answer: tokenSchema,
  wrong: v.optional(tokenSchema),
})

/** A prompt whose subject is corrupted: a part of its text, positions, or what differs in another prompt. */
export const tracedSchema = v.strictObject({
  clean: promptSchema,
  corrupt: v.optional(promptSchema),
  subject: v.optional(
    v.union([v.string(), v.pipe(v.array(v.pipe(v.number(), v.integer())), v.minLength(1))], 'a text, or positions'),
  ),
  answer: v.optional(tokenSchema),
  wrong: v.optional(tokenSchema),
})

/** A prompt as a spec holds it. */
export type PromptJson = v.InferOutput<typeof promptSchema>
/** A token as a spec holds it. */
export type TokenJson = v.InferOutput<typeof tokenSchema>
/** A question as a spec holds it. */
export type QuestionJson = v.InferOutput<typeof questionSchema>
/** A pair of prompts as a spec holds it. */
export type PairJson = v.InferOutput<typeof pairSchema>
/** A prompt with its subject as a spec holds it; a pair is one as well. */
export type TracedJson = v.InferOutput<typeof tracedSchema>
