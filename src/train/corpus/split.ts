/** A document's text cut in two: what is trained on, and the end of it, which is held out. */
export interface SplitText {
  readonly train: string
  /** Empty when the text has no place to cut near its end. */
  readonly heldOut: string
}

/** Where a text may be cut, best first: after an empty line, after a line, after a sentence. */
const cuts = [/\n[ \t]*\n\s*/g, /\n\s*/g, /[.!?]["')]? +/g]

/**
 * Holds out the last part of a document, contiguous, from the paragraph that begins nearest to `1 - fraction` of it.
 * @param fraction of the text's characters, for instance 0.05. A cut may lie at most half of it off; where no paragraph begins there,
 * a line or a sentence does.
 */
export function splitDocument(text: string, fraction: number): SplitText {
  const wanted = text.length * (1 - fraction)
  const tolerance = (text.length * fraction) / 2
  for (const pattern of cuts) {
    const ends = Array.from(text.matchAll(pattern), (match) => match.index + match[0].length)
    const near = ends.filter((end) => Math.abs(end - wanted) <= tolerance && end < text.length)
    if (near.length === 0) continue
    const cut = near.reduce((best, end) => (Math.abs(end - wanted) < Math.abs(best - wanted) ? end : best))
    return { train: text.slice(0, cut).trimEnd(), heldOut: text.slice(cut) }
  }
  return { train: text, heldOut: '' }
}
