/** A file's text and the encoding that it was read in. */
export interface DecodedText {
  readonly text: string
  readonly encoding: 'utf-8' | 'big5' | 'windows-1252'
}

/**
 * Decodes the bytes of a text file whose encoding nobody recorded: UTF-8 where the bytes are; else Big5 where all that is not
 * ASCII is its punctuation (old transcripts have such dashes and quotation marks in English text); else Windows-1252, the superset
 * of Latin-1 in which every byte is a character. Line ends become `\n` and a byte order mark is dropped.
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  const encoding = isUtf8(bytes) ? 'utf-8' : hasOnlyBig5Punctuation(bytes) ? 'big5' : 'windows-1252'
  return { text: new TextDecoder(encoding).decode(bytes).replace(/\r\n?/g, '\n'), encoding }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** Big5's punctuation is two bytes, the first 0xA1. */
function hasOnlyBig5Punctuation(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! < 0x80) continue
    if (bytes[i] !== 0xa1 || !((bytes[i + 1] ?? 0) >= 0x40)) return false
    i++
  }
  return true
}
