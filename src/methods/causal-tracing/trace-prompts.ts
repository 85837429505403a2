import { DiopterError } from '../../errors/index.ts'
import type { Model, Prompt, TokenizedPrompt } from '../../lab/index.ts'
import { type NamedToken, namedToken, type Token, withText } from '../shared/question.ts'
import { indicesWithin } from '../shared/selection.ts'

/** A prompt with its subject: what is corrupted. */
export interface TracedPrompt {
  readonly clean: Prompt
  /** The same prompt about another subject, of as many tokens: what symmetric replacement takes its tokens from. */
  readonly corrupt?: Prompt | undefined
  /** A part of the text, or positions; the tokens in which `corrupt` differs unless said. */
  readonly subject?: string | readonly number[] | undefined
  /** What the model should say next; what it finds most likely unless said. */
  readonly answer?: Token | undefined
  /** What the answer is compared with in the logit difference; the answer's logit alone is measured without it. */
  readonly wrong?: Token | undefined
}

/** Classes of tokens by their place beside the subject, in the order of a prompt. */
export const TOKEN_CLASSES = [
  'before the subject',
  'first subject token',
  'middle subject tokens',
  'last subject token',
  'first subsequent token',
  'further tokens',
  'last token',
] as const
/** One of `TOKEN_CLASSES`. */
export type TokenClass = (typeof TOKEN_CLASSES)[number]

/** A traced prompt as the model reads it. */
export interface PreparedTrace {
  readonly clean: TokenizedPrompt
  readonly corrupt: TokenizedPrompt | null
  /** Positions of the subject, in order. */
  readonly subject: readonly number[]
  readonly classes: readonly TokenClass[]
  readonly answer: NamedToken | null
  readonly wrong: NamedToken | null
}

/** Tokenizes a prompt and finds its subject. Throws where it has none, and for a corrupted prompt of another length. */
export function prepareTrace(
  model: Model,
  { clean: text, corrupt: other, subject, answer, wrong }: TracedPrompt,
  prependBos: boolean | undefined,
): PreparedTrace {
  const clean = model.tokenize(text, prependBos)
  const corrupt = other === undefined ? null : model.tokenize(other, prependBos)
  if (corrupt && corrupt.ids.length !== clean.ids.length)
    throw new DiopterError(
      `Symmetric replacement exchanges tokens one for one, but the clean prompt has ${clean.ids.length} tokens and the corrupted one ${corrupt.ids.length}. Take a subject of as many tokens, or leave the corrupted prompt out and use noise.`,
    )
  const positions = subjectOf(model, clean, corrupt, subject, prependBos)
  return {
    clean,
    corrupt,
    subject: positions,
    classes: clean.ids.map((_, p) => classOf(p, positions, clean.ids.length)),
    answer: answer === undefined ? null : namedToken(model, answer),
    wrong: wrong === undefined ? null : namedToken(model, wrong),
  }
}

/** The model's own answer, for a prompt that has none. */
export function likeliest(model: Model, logits: Float32Array): NamedToken {
  let best = 0
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id
  return withText(model, best)
}

function subjectOf(
  model: Model,
  clean: TokenizedPrompt,
  corrupt: TokenizedPrompt | null,
  subject: string | readonly number[] | undefined,
  prependBos: boolean | undefined,
): number[] {
  if (typeof subject === 'string') return positionsOfText(model, clean, subject, prependBos)
  if (subject !== undefined) {
    const positions = [...new Set(indicesWithin(subject, clean.ids.length, 'Position'))].sort((a, b) => a - b)
    if (positions.length === 0) throw new DiopterError('The subject is an empty list of positions; name at least one.')
    return positions
  }
  if (corrupt === null)
    throw new DiopterError(
      'Causal tracing corrupts the subject of the prompt: say what it is (`subject`, a part of the text or positions), or give a corrupted prompt that differs in it.',
    )
  const differing = clean.ids.flatMap((id, p) => (id === corrupt.ids[p] ? [] : [p]))
  if (differing.length === 0)
    throw new DiopterError('The clean and the corrupted prompt are the same tokens, so there is nothing to trace.')
  return differing
}

/** The tokens that a part of the text touches. */
function positionsOfText(
  model: Model,
  { text }: TokenizedPrompt,
  subject: string,
  prependBos: boolean | undefined,
): number[] {
  if (text === null || !model.tokenizer)
    throw new DiopterError(
      `The subject ${JSON.stringify(subject)} is a text, but the prompt is a list of token ids: give the subject's positions.`,
    )
  const start = text.indexOf(subject)
  if (subject === '' || start < 0)
    throw new DiopterError(
      `The prompt ${JSON.stringify(text)} does not contain the subject ${JSON.stringify(subject)}.`,
    )
  if (text.indexOf(subject, start + 1) >= 0)
    throw new DiopterError(
      `The prompt ${JSON.stringify(text)} contains the subject ${JSON.stringify(subject)} more than once: give its positions.`,
    )
  const end = start + subject.length
  return model.tokenizer
    .encode(text, { prependBos })
    .spans.flatMap(([from, to], p) => (from < end && to > start ? [p] : []))
}

/** The last token is always `last token`, also where it is the subject's own: that is where the answer is read. */
function classOf(position: number, subject: readonly number[], length: number): TokenClass {
  const [first, last] = [subject[0]!, subject[subject.length - 1]!]
  if (position === length - 1) return 'last token'
  if (position < first) return 'before the subject'
  if (position === last) return 'last subject token'
  if (position === first) return 'first subject token'
  if (position < last) return 'middle subject tokens'
  return position === last + 1 ? 'first subsequent token' : 'further tokens'
}
