/** SVG as text: elements whose attributes and contents are always escaped, and the few shapes all pictures share. */

import { hex, type Rgb } from './colors.ts'
import { displayWidth, truncate, visibleText, wrap } from './labels.ts'
import { exactValue, type Value } from './scales.ts'

/** Markup that is already escaped; plain strings among children are text and get escaped. */
export interface Markup {
  readonly markup: string
}

export type Attributes = Readonly<Record<string, string | number | undefined>>
export type Child = Markup | string

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
/** A line break that is meant, unlike one inside a string. */
const NEW_LINE: Markup = { markup: '\n' }
const PLAIN = /^[ -~]*$/

/**
 * Text as it may stand in XML or HTML content and in quoted attributes: markup characters escaped, and what cannot be
 * seen or is forbidden there (control characters, direction overrides, lone surrogates) written out as in `visibleText`.
 */
export function escapeMarkup(text: string): string {
  const visible = PLAIN.test(text) ? text : visibleText(text)
  return visible.replace(/[&<>"']/g, (character) => ESCAPES[character]!)
}

/** One element; numbers are rounded to hundredths, undefined attributes are left out. */
export function element(tag: string, attributes: Attributes, ...children: readonly Child[]): Markup {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${typeof value === 'number' ? round(value) : escapeMarkup(value!)}"`)
    .join('')
  const inside = children.map((child) => (typeof child === 'string' ? escapeMarkup(child) : child.markup)).join('')
  // Closed by a slash only where no child was given: HTML reads the slash on, say, an empty cell as nothing.
  return { markup: children.length === 0 ? `<${tag}${written}/>` : `<${tag}${written}>${inside}</${tag}>` }
}

/** Several pieces of markup as one. */
export function fragment(children: readonly Markup[]): Markup {
  return { markup: children.map((child) => child.markup).join('') }
}

/** A coordinate in a path: hundredths of a pixel. */
export function round(value: number): number {
  return Math.round(value * 100) / 100 + 0
}

/** Pixels from one line of small text to the next. */
export const LINE = 15
/** Font size of labels and numbers, in pixels. */
export const FONT_SIZE = 11
/** The label font; also what text beside a canvas is written in. */
export const FONT_FAMILY = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace'
const TITLE_SIZE = 13
/** Around every picture, in pixels. */
export const MARGIN = 10

/** Pixels that `text` takes in the label font: monospaced, so that layout needs no browser. */
export function textWidth(text: string, size = FONT_SIZE): number {
  return displayWidth(text) * size * 0.605
}

/** `text` cut with `…` to fit `pixels`. */
export function fitText(text: string, pixels: number, size = FONT_SIZE): string {
  return truncate(text, Math.floor(pixels / (size * 0.605)))
}

/** Text at a point: labels and numbers, in the colour of the surrounding page unless `fill` says otherwise. */
export function label(x: number, y: number, text: string, attributes: Attributes = {}): Markup {
  return element('text', { x, y, fill: 'currentColor', ...attributes }, text)
}

/** A colour that a page may override: `--diopter-NAME`; unless it does, the one for its light or dark scheme. */
export function themed(property: 'fill' | 'stroke', name: string, color: Rgb, onDark: Rgb = color): Attributes {
  // Drawings outside of a page know neither variables nor dark schemes: the attribute is for them.
  const both = color === onDark ? hex(color) : `light-dark(${hex(color)},${hex(onDark)})`
  return { [property]: hex(color), style: `${property}:var(--diopter-${name},${both})` }
}

/** What a mark says when it is hovered, focused or chosen. */
export interface MarkData {
  /** Its place among the marks: arrow keys move along rows and columns. */
  readonly row: number
  readonly column: number
  readonly value: Value
  /** Lines: labels and the exact value. */
  readonly hover: readonly string[]
}

/** A shape that stands for one value: carries its hover text and is what `mount` makes selectable. */
export function mark(tag: string, attributes: Attributes, data: MarkData): Markup {
  return element(
    tag,
    {
      class: 'diopter-mark',
      'data-row': data.row,
      'data-column': data.column,
      // As text: rounding belongs to coordinates, not to data.
      'data-value': exactValue(data.value),
      'pointer-events': 'all',
      ...attributes,
    },
    element('title', {}, ...data.hover.flatMap((line, index) => (index === 0 ? [line] : [NEW_LINE, line]))),
  )
}

/** A picture's parts before it has a frame. */
export interface Picture {
  readonly title: string
  readonly width: number
  readonly height: number
  readonly body: readonly Markup[]
}

/** A whole SVG document: the title above the body, a margin around both, and an accessible name. */
export function document({ title, width, height, body }: Picture): string {
  const outerWidth = Math.ceil(Math.max(width, 240) + 2 * MARGIN)
  const titleColumns = Math.floor((outerWidth - 2 * MARGIN) / (TITLE_SIZE * 0.605))
  const titleLines = wrap(visibleText(title), titleColumns)
  const titleHeight = titleLines.length * 18 + 8
  const outerHeight = Math.ceil(height + titleHeight + 2 * MARGIN)
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${outerWidth} ${outerHeight}`,
      width: outerWidth,
      height: outerHeight,
      role: 'img',
      'aria-label': title,
      'font-family': FONT_FAMILY,
      'font-size': FONT_SIZE,
      style: 'max-width:100%;height:auto',
    },
    ...titleLines.map((line, index) =>
      label(MARGIN, MARGIN + 13 + index * 18, line, { 'font-size': TITLE_SIZE, 'font-weight': 'bold' }),
    ),
    element('g', { transform: `translate(${MARGIN} ${MARGIN + titleHeight})` }, ...body),
  ).markup
}
