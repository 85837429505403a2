import type { WorkOptions } from '../../errors/index.ts'
import type { CorpusEncoder } from '../../tokenizer/encode-corpus.ts'

/** The tokens of a corpus, in two streams. */
export interface PackedCorpus {
  readonly train: Uint16Array
  readonly heldOut: Uint16Array
}

/**
 * Encodes texts one after the other with a separator before each and after the last, so that a text's first token is predicted from
 * the separator.
 * @param separator the id that stands between texts, usually that of `<|endoftext|>`.
 * @returns the ids of all texts in one stream.
 */
export function packTexts(
  encoder: CorpusEncoder,
  texts: readonly string[],
  separator: number,
  options: WorkOptions = {},
): Uint16Array {
  const parts = texts.filter((text) => text !== '').map((text) => encoder.encode(text, { signal: options.signal }))
  const packed = new Uint16Array(parts.reduce((length, part) => length + part.length + 1, 1)).fill(separator)
  let at = 1
  for (const part of parts) {
    packed.set(part, at)
    at += part.length + 1
  }
  return packed
}
