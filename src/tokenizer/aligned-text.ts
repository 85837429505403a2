/**
 * A text that was changed while each of its UTF-16 units remembers which part of the original it stands for:
 * unit `i` stands for the original characters `starts[i]` up to `ends[i]`; an invented unit has an empty part.
 */
export interface AlignedText {
  readonly text: string
  readonly starts: readonly number[]
  readonly ends: readonly number[]
}

/** Marks part of the original, not changed yet; surrogate pairs stand for their whole character. */
export function alignedSlice(original: string, begin: number, end: number): AlignedText {
  const starts: number[] = []
  const ends: number[] = []
  for (let i = begin; i < end; ) {
    const units = original.codePointAt(i)! > 0xffff ? 2 : 1
    for (let unit = 0; unit < units; unit++) {
      starts.push(i)
      ends.push(i + units)
    }
    i += units
  }
  return { text: original.slice(begin, end), starts, ends }
}

/** Units `begin` up to `end` of an aligned text. */
export function sliceAligned({ text, starts, ends }: AlignedText, begin: number, end: number): AlignedText {
  return { text: text.slice(begin, end), starts: starts.slice(begin, end), ends: ends.slice(begin, end) }
}

/** Puts invented text in front. */
export function prependAligned({ text, starts, ends }: AlignedText, prefix: string): AlignedText {
  const at = new Array<number>(prefix.length).fill(starts[0] ?? 0)
  return { text: prefix + text, starts: [...at, ...starts], ends: [...at, ...ends] }
}

/** Replaces each match by `replacement(match)`, every unit of which stands for the whole match. */
export function replaceAligned(
  { text, starts, ends }: AlignedText,
  pattern: RegExp,
  replacement: (match: string) => string,
): AlignedText {
  const parts: string[] = []
  const newStarts: number[] = []
  const newEnds: number[] = []
  let position = 0
  const keepUntil = (end: number): void => {
    parts.push(text.slice(position, end))
    for (; position < end; position++) {
      newStarts.push(starts[position]!)
      newEnds.push(ends[position]!)
    }
  }
  for (const match of text.matchAll(pattern)) {
    const begin = match.index
    const end = begin + match[0].length
    keepUntil(begin)
    const content = replacement(match[0])
    parts.push(content)
    // A match of nothing stands for the empty place where it is.
    const start = starts[begin] ?? ends.at(-1) ?? 0
    const stop = end > begin ? ends[end - 1]! : start
    for (let unit = 0; unit < content.length; unit++) {
      newStarts.push(start)
      newEnds.push(stop)
    }
    position = end
  }
  keepUntil(text.length)
  return { text: parts.join(''), starts: newStarts, ends: newEnds }
}
