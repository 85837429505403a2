/** Entries with keys for a list that is drawn: the text of each, numbered where it comes again. */
export function keyed<T>(list: readonly T[], textOf: (entry: T) => string): { key: string; entry: T; index: number }[] {
  const seen = new Map<string, number>()
  return list.map((entry, index) => {
    const text = textOf(entry)
    const before = seen.get(text) ?? 0
    seen.set(text, before + 1)
    return { key: `${text} ${before}`, entry, index }
  })
}
