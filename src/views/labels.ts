/**
 * Text that a person reads: tokens made visible, measured in terminal columns, truncated, padded and wrapped.
 * A token is any byte sequence a tokenizer learned, so it may hold newlines, escape sequences or text-direction
 * overrides; nothing of that kind may reach a terminal or a page as itself.
 */

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Control, format, surrogate, private and unassigned characters, odd spaces, and what is drawn as nothing. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u
const PRINTABLE_ASCII = /^[ -~]*$/
const VARIATION_SELECTOR = /[\uFE00-\uFE0F]/u
const WIDE_BLOCKS: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2ff],
  [0x1f200, 0x1f202],
  [0x1f210, 0x1f23b],
  [0x1f240, 0x1f248],
  [0x20000, 0x3fffd],
]

/**
 * A title or sentence with every unseen character written out: `⏎` for a newline, `⇥` for a tab, `␛` for escape,
 * `\u{202e}` for others. Without `unicode` the result is ASCII: `\n`, `\t`, `\u{1b}`, `\\` for a backslash.
 */
export function visibleText(text: string, unicode = true): string {
  // What has nothing to write out is most text, and a page has thousands of labels.
  if (unicode && PRINTABLE_ASCII.test(text)) return text
  let visible = ''
  for (const character of text) visible += visibleCharacter(character, visible === '', unicode)
  return visible
}

/** `visibleText` with the spaces that the eye would miss (first, last, repeated) drawn as `·`, or `_` in ASCII. */
export function visibleLabel(label: string, unicode = true): string {
  if (label === '') return unicode ? '∅' : '(empty)'
  return visibleText(label, unicode).replace(/^ +| +$| {2,}/g, (spaces) => (unicode ? '·' : '_').repeat(spaces.length))
}

function visibleCharacter(character: string, first: boolean, unicode: boolean): string {
  const code = character.codePointAt(0)!
  if (!unicode) {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    if (character === '\\') return '\\\\'
    return code >= 0x20 && code < 0x7f ? character : escaped(code)
  }
  if (character === '\n') return '⏎'
  if (character === '\t') return '⇥'
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  if (code === 0x7f) return '␡'
  if (VARIATION_SELECTOR.test(character)) return first ? escaped(code) : character
  if (UNSEEN.test(character)) return escaped(code)
  // A lone combining mark would land on whatever is printed before it.
  return first && /\p{M}/u.test(character) ? `◌${character}` : character
}

function escaped(code: number): string {
  return `\\u{${code.toString(16)}}`
}

/** Terminal columns that `text` takes: 2 for East-Asian wide characters and emoji, 0 for combining marks. */
export function displayWidth(text: string): number {
  if (PRINTABLE_ASCII.test(text)) return text.length
  let columns = 0
  for (const { segment } of graphemes.segment(text)) columns += graphemeWidth(segment)
  return columns
}

function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0)!
  if (code < 0x300) return code < 0x20 ? 0 : 1
  if (/^\p{Emoji_Presentation}|^\p{Regional_Indicator}{2}|\uFE0F/u.test(grapheme)) return 2
  if (WIDE_BLOCKS.some(([from, to]) => code >= from && code <= to)) return 2
  if (/^[\p{Mn}\p{Me}]/u.test(grapheme)) return 0
  // Spacing marks take a column of their own in the common terminals.
  return 1 + (grapheme.slice(1).match(/\p{Mc}/gu)?.length ?? 0)
}

/** `text` cut to at most `columns` terminal columns, the cut shown by `…` (`~` in ASCII). */
export function truncate(text: string, columns: number, unicode = true): string {
  if (displayWidth(text) <= columns) return text
  let kept = ''
  let width = 1
  for (const { segment } of graphemes.segment(text)) {
    width += graphemeWidth(segment)
    if (width > columns) break
    kept += segment
  }
  return columns < 1 ? '' : kept + (unicode ? '…' : '~')
}

/** `text` filled with spaces to `columns` terminal columns; longer text is returned as it is. */
export function pad(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, columns - displayWidth(text)))
  return align === 'left' ? text + spaces : spaces + text
}

/** `text` broken at spaces into lines of at most `columns`; a longer word is broken inside. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`
    if (displayWidth(joined) <= columns) {
      line = joined
      continue
    }
    if (line !== '') lines.push(line)
    line = ''
    for (const { segment } of graphemes.segment(word)) {
      if (line !== '' && displayWidth(line + segment) > columns) {
        lines.push(line)
        line = ''
      }
      line += segment
    }
  }
  lines.push(line)
  return lines
}
