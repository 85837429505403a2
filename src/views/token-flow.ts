/** Tokens as boxes that wrap like text: token strips, and the tokens that an attention head looks at. */

import type { Piece } from './color-bar.ts'
import { hex, type Rgb, readableOn } from './colors.ts'
import { visibleLabel } from './labels.ts'
import { element, fitText, fragment, label, type MarkData, type Markup, mark, textWidth } from './svg.ts'

/** A token and what is written below it in small print. */
export interface TokenBox {
  readonly token: string
  readonly below: readonly string[]
  readonly background: Rgb | undefined
  readonly data: MarkData
  /** Drawn with a strong frame. */
  readonly framed?: boolean
}

/** The width that a strip takes where nothing says otherwise. */
export const STRIP_WIDTH = 860
const NARROWEST_STRIP = 240
const WIDEST_BOX = 150
const SMALL = 9

/** Boxes in reading order, `lines` lines of small print each, wrapped at `limit` pixels; the tokens' own line breaks are kept. */
export function tokenFlow(boxes: readonly TokenBox[], lines: number, limit = STRIP_WIDTH): Piece {
  const widest = Math.max(NARROWEST_STRIP, Math.min(STRIP_WIDTH, limit))
  const height = 20 + 13 * lines
  let x = 0
  let y = 0
  let right = 0
  const drawn = boxes.map((box) => {
    const texts = [textWidth(visibleLabel(box.token)), ...box.below.map((line) => textWidth(line, SMALL))]
    const width = Math.min(WIDEST_BOX, Math.max(24, ...texts) + 8)
    if (x > 0 && x + width > widest) {
      x = 0
      y += height + 5
    }
    const place = { x, y, width, height }
    x += width + 2
    right = Math.max(right, x)
    if (box.token.includes('\n')) x = widest
    return drawnBox(box, place)
  })
  return { markup: fragment(drawn), width: y > 0 ? widest : right, height: y + height }
}

function drawnBox(
  { token, below, background, data, framed = false }: TokenBox,
  place: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): Markup {
  const { x, y, width } = place
  const ink = background ? { fill: hex(readableOn(background)) } : {}
  const middle = { 'text-anchor': 'middle', 'pointer-events': 'none', ...ink }
  const frame = framed ? { 'stroke-width': 2.5 } : { 'stroke-opacity': 0.25 }
  return element(
    'g',
    {},
    mark(
      'rect',
      { ...place, rx: 3, fill: background ? hex(background) : 'none', stroke: 'currentColor', ...frame },
      data,
    ),
    label(x + width / 2, y + 14, fitText(visibleLabel(token), width - 4), middle),
    ...below.map((line, index) =>
      label(x + width / 2, y + 27 + index * 13, fitText(line, width - 4, SMALL), { ...middle, 'font-size': SMALL }),
    ),
  )
}
