import { type AlignedText, sliceAligned } from './aligned-text.ts'
import { strip } from './normalizer.ts'

/** A token that is found in the text before the vocabulary's own rules apply. */
export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special?: boolean
  readonly normalized?: boolean
  readonly lstrip?: boolean
  readonly rstrip?: boolean
}

/** A stretch of text, or an added token found in it. */
export interface Section {
  readonly part: AlignedText
  readonly added?: AddedToken
}

/** Splits a text at added tokens, the longest first where several begin at one place. */
export function addedTokenSplitter(
  tokens: readonly (readonly [string, AddedToken])[],
): (text: AlignedText) => Section[] {
  if (tokens.length === 0) return (text) => [{ part: text }]
  const byContent = new Map(tokens)
  const alternatives = [...byContent.keys()].sort((a, b) => b.length - a.length).map(escapePattern)
  const pattern = new RegExp(alternatives.join('|'), 'g')
  return (text) => {
    const sections: Section[] = []
    let position = 0
    for (const match of text.text.matchAll(pattern)) {
      if (match.index > position) sections.push({ part: sliceAligned(text, position, match.index) })
      position = match.index + match[0].length
      sections.push({ part: sliceAligned(text, match.index, position), added: byContent.get(match[0])! })
    }
    if (position < text.text.length) sections.push({ part: sliceAligned(text, position, text.text.length) })
    return sections.map((section, i) =>
      section.added
        ? section
        : {
            part: strip(section.part, sections[i - 1]?.added?.rstrip === true, sections[i + 1]?.added?.lstrip === true),
          },
    )
  }
}

/** A pattern that matches exactly this text. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
