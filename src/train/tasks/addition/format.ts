import { answerDigits, type Question } from './categories.ts'

/** Which tokens a question and its answer are: `12+34=046`, or `12+34=+046` with a sign. */
export interface AdditionFormat {
  readonly digits: number
  /** Whether the answer begins with its sign (Quirke, Neo & Barez 2024); without, it is the format of Quirke & Barez 2023. */
  readonly sign: boolean
}

/** What each id stands for. */
export function vocabulary({ sign }: AdditionFormat): string[] {
  return [...'0123456789', '+', ...(sign ? ['-', '=', '*', '/'] : ['='])]
}

/** The tokenizer.json of a format: every character is a token, and there are no merges. */
export function tokenizerJson(format: AdditionFormat): Record<string, unknown> {
  const vocab = Object.fromEntries(vocabulary(format).map((token, id) => [token, id]))
  return {
    version: '1.0',
    ...{
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
    },
    decoder: { type: 'Fuse' },
    model: { type: 'BPE', vocab, merges: [], unk_token: null },
  }
}

/** Tokens of a question with its answer. */
export function sequenceLength(format: AdditionFormat): number {
  return 2 * format.digits + 2 + answerLength(format)
}

/** Tokens of an answer: a sign, if there is one, and one digit more than a number has. */
export function answerLength({ digits, sign }: AdditionFormat): number {
  return digits + 1 + (sign ? 1 : 0)
}

/** The position of `=`, whose logits are the answer's first token. */
export function equalsPosition({ digits }: AdditionFormat): number {
  return 2 * digits + 1
}

/** The position whose logits are answer digit A_i (10^i). */
export function predictingPosition(format: AdditionFormat, digit: number): number {
  return sequenceLength(format) - 2 - digit
}

/** The position of digit i of the first number (`D`) or the second (`D'`). */
export function questionPosition({ digits }: AdditionFormat, number: 'first' | 'second', digit: number): number {
  return number === 'first' ? digits - 1 - digit : 2 * digits - digit
}

/**
 * Token ids [N, sequenceLength], highest digits first.
 * @param answers the questions whose sums are written, in place of the questions' own.
 */
export function encodeQuestions(
  format: AdditionFormat,
  questions: readonly Question[],
  answers: readonly Question[] = questions,
): BigInt64Array {
  const ids = vocabulary(format)
  const [plus, equals] = [ids.indexOf('+'), ids.indexOf('=')]
  const sign = format.sign ? [plus] : []
  return BigInt64Array.from(
    questions.flatMap(({ first, second }, i) => [
      ...[...first.toReversed(), plus, ...second.toReversed(), equals],
      ...[...sign, ...answerDigits(answers[i]!).toReversed()],
    ]),
    BigInt,
  )
}
