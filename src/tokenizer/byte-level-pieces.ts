import { escapePattern } from './added-tokens.ts'

/** GPT-2's pattern: contractions, words, numbers and other signs with the space before them, and white space. */
const gpt2Pattern = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

/** The pieces of a text that GPT-2's byte-level pre-tokenizer makes, in order; together they are the text. No token crosses a piece's edge. */
export function* byteLevelPieces(text: string): Generator<string> {
  for (const match of text.matchAll(gpt2Pattern)) yield match[0]
}

/** A pattern that splits a text at any of the contents and keeps them: `text.split(pattern)` has them at odd places. */
export function splitPattern(contents: readonly string[]): RegExp {
  // Where one begins with another the longer one counts.
  const longestFirst = [...contents].sort((a, b) => b.length - a.length)
  // With nothing to look for, a pattern that never matches.
  return contents.length === 0 ? /($.)/s : new RegExp(`(${longestFirst.map(escapePattern).join('|')})`)
}
