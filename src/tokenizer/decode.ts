/** The pieces that a decoder puts together: bytes of text, or an added token's own text. */
export type DecodedPiece = Uint8Array | string

/** Turns a growing list of tokens into text. */
export interface DecodeStream {
  /** Adds one token. @returns the text that became complete, often empty while a character is still open. */
  push(id: number): string
  /** Ends the text. @returns what an unfinished character leaves: U+FFFD, or nothing. */
  end(): string
}

/**
 * Starts a stream whose outputs, put together, are the decoded text.
 * @param pieceOf a token's bytes or own text; undefined for one that is skipped.
 * @param stripsFirstSpace drops one space at the very start of the text.
 */
export function createDecodeStream(
  pieceOf: (id: number) => DecodedPiece | undefined,
  stripsFirstSpace: boolean,
): DecodeStream {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let atStart = stripsFirstSpace
  const emit = (text: string): string => {
    if (!atStart || text === '') return text
    atStart = false
    return text.startsWith(' ') ? text.slice(1) : text
  }
  return {
    push(id) {
      const piece = pieceOf(id)
      if (piece === undefined) return ''
      if (typeof piece === 'string') return emit(decoder.decode() + piece)
      return emit(decoder.decode(piece, { stream: true }))
    },
    end: () => emit(decoder.decode()),
  }
}
