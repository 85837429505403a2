import { DiopterError } from '../errors/index.ts'
import type { AlignedText } from './aligned-text.ts'

/** Start and end of a token in the text, in UTF-16 units as in `text.slice(start, end)`. */
export type Span = readonly [start: number, end: number]

const space = 0x20

/**
 * Finds the span of every token of one section of a text. A token that holds only some bytes of a character gets the whole
 * character's span, so neighbours that share a character share its span; a token of invented text gets an empty one.
 * @param section the normalized text, aligned with the original.
 * @param section its text spells spaces as the pieces' bytes do.
 * @param pieces the tokens' bytes in order; undefined for the unknown token, whose bytes nobody knows.
 * @throws DiopterError when the tokens are not the section's.
 */
export function tokenSpans(section: AlignedText, pieces: readonly (Uint8Array | undefined)[]): Span[] {
  const { bytes, unitOf } = utf8WithUnits(section.text)
  let position = 0
  return pieces.map((piece, index) => {
    if (!piece) {
      const begin = position
      position = endOfUnknown(bytes, begin, pieces[index + 1])
      return spanOf(section, unitOf, begin, position)
    }
    // Some pre-tokenizers invent a space before the text, some drop white space between tokens.
    for (let begin = position; begin <= bytes.length; begin++) {
      const invented = matches(bytes, begin, piece)
        ? 0
        : piece[0] === space && matches(bytes, begin, piece.subarray(1))
          ? 1
          : -1
      if (invented >= 0) {
        position = begin + piece.length - invented
        return spanOf(section, unitOf, begin, position)
      }
      if (begin === bytes.length || !isWhiteSpace(section.text, unitOf[begin]!)) break
    }
    throw new DiopterError(
      `Token ${index} of ${JSON.stringify(section.text.slice(0, 80))} cannot be found in the text at byte ${position}: its normalizer or pre-tokenizer changes the text in a way that is not known.`,
    )
  })
}

/** UTF-8 bytes, and for each the UTF-16 unit where its character starts. */
function utf8WithUnits(text: string): { bytes: Uint8Array; unitOf: Uint32Array } {
  const bytes = new TextEncoder().encode(text)
  const unitOf = new Uint32Array(bytes.length)
  let byte = 0
  for (let unit = 0; unit < text.length; ) {
    const code = text.codePointAt(unit)!
    // A lone surrogate becomes U+FFFD, three bytes as well.
    const length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    unitOf.fill(unit, byte, byte + length)
    byte += length
    unit += code > 0xffff ? 2 : 1
  }
  return { bytes, unitOf }
}

function spanOf(section: AlignedText, unitOf: Uint32Array, begin: number, end: number): Span {
  if (begin === end) {
    const at = begin < unitOf.length ? section.starts[unitOf[begin]!]! : (section.ends.at(-1) ?? 0)
    return [at, at]
  }
  return [section.starts[unitOf[begin]!]!, section.ends[unitOf[end - 1]!]!]
}

function matches(bytes: Uint8Array, begin: number, piece: Uint8Array): boolean {
  if (begin + piece.length > bytes.length) return false
  for (let i = 0; i < piece.length; i++) if (bytes[begin + i] !== piece[i]) return false
  return true
}

function isWhiteSpace(text: string, unit: number): boolean {
  return /\s/u.test(text[unit]!)
}

/** An unknown token reaches to where the next known one begins, and takes one byte at least. */
function endOfUnknown(bytes: Uint8Array, begin: number, next: Uint8Array | undefined): number {
  let end = begin + 1
  const isContinuation = () => end < bytes.length && (bytes[end]! & 0xc0) === 0x80
  while (isContinuation() || (next && end < bytes.length && !matches(bytes, end, next))) end++
  return Math.min(end, bytes.length)
}
