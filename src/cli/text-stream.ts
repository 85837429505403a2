/** Text as it comes, held back where it may be the beginning of a stop text. */
export class TextStream {
  private readonly stops: readonly string[]
  private seen = ''
  private printed = 0

  constructor(stops: readonly string[]) {
    this.stops = stops
  }

  /** Takes more text and gives what is safe to print. */
  push(text: string): string {
    this.seen += text
    const held = Math.max(0, ...this.stops.map((stop) => overlap(this.seen, stop)))
    return this.upTo(this.seen.length - held)
  }

  /** What of the whole text has not been printed yet. */
  rest(whole: string): string {
    this.seen = whole
    return this.upTo(whole.length)
  }

  private upTo(end: number): string {
    const text = this.seen.slice(this.printed, end)
    this.printed = Math.max(this.printed, end)
    return text
  }
}

/** The longest end of `text` that `stop` begins with. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length
  return 0
}
