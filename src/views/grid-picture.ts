/**
 * A labelled grid of coloured cells, described once: heat maps, attention patterns, lens grids and thumbnails of heads.
 * The static SVG and the live canvas are both drawn from this description.
 */

import type { Piece } from './color-bar.ts'
import type { ColorScale } from './colors.ts'
import { visibleLabel } from './labels.ts'
import type { Rows } from './numbers.ts'
import { FONT_SIZE, fitText, fragment, LINE, label, round, textWidth } from './svg.ts'
import type { ReferenceMark } from './terminal.ts'

export interface GridPicture {
  readonly title: string
  readonly rowLabels: readonly string[]
  readonly columnLabels: readonly string[]
  readonly rowAxis: string
  readonly columnAxis: string
  /** What colours the cells; absent ones have no colour. */
  readonly values: Rows
  readonly scale: ColorScale
  readonly valueLabel: string
  readonly references?: readonly ReferenceMark[]
  /** What a cell says when it is pointed at: labels and the exact value. */
  hover(row: number, column: number): readonly string[]
  /** What is printed in a present cell where it fits. */
  text?(row: number, column: number): string
  /** Printed text wider than this many pixels is cut with `…`; 72 unless said. */
  readonly widestText?: number
  /** Whether the text is the point: a live picture then scrolls rather than drop it. */
  readonly keepsText?: boolean
  /** Whether to leave the labels out and make cells as small as a pixel: an overview beside something that names them. */
  readonly compact?: boolean
  /** Draws a whole matrix in every cell instead of one colour. */
  thumbnail?(row: number, column: number): Rows
}

/** Where everything of a grid lies, in pixels. */
export interface GridLayout {
  /** Width of the row labels. */
  readonly left: number
  /** Column labels; their foot is the grid's upper edge. */
  readonly header: Piece
  readonly cellWidth: number
  readonly cellHeight: number
  readonly showsText: boolean
  /** The row labels that have room, with their rows. */
  readonly rowLabels: readonly (readonly [row: number, text: string])[]
}

/** More cells than this are drawn as one shape per colour, and live on a canvas: a page is slow with more elements. */
export const MOST_MARKS = 1024

/** The width that a grid takes where nothing says otherwise. */
export const GRID_WIDTH = 900
const CELL_HEIGHT = 22
export const CELL_FONT = 10
/** Thumbnails' widest side, and the gap to the next. */
const THUMBNAIL = 64
export const GAP = 8
/** More cells than this per side of a static thumbnail are pooled. */
export const THUMBNAIL_CELLS = 32
/** Pixels that one row label, and one slanted column label, need beside the next. */
const ROW_PITCH = 13
const COLUMN_PITCH = 18

/** Whether a picture has too many cells to be an element each. */
export function isLarge({ rowLabels, columnLabels, thumbnail }: GridPicture): boolean {
  const cells = rowLabels.length * columnLabels.length
  return cells > MOST_MARKS || (thumbnail !== undefined && cells > 24)
}

/**
 * The layout of a grid within `available` pixels, row labels included; cells are multiples of `pixel`, that of the
 * device. `scrolls` says that a picture whose text is the point may be wider.
 */
export function gridLayout(
  picture: GridPicture,
  available: number | undefined,
  { pixel, scrolls }: { pixel: number; scrolls: boolean } = { pixel: 0, scrolls: false },
): GridLayout {
  const { rowAxis, compact = false } = picture
  const columnLabels = compact ? [] : picture.columnLabels
  const rowLabels = compact ? [] : picture.rowLabels.map((text) => fitText(visibleLabel(text), 170))
  const left = Math.max(textWidth(rowAxis), ...rowLabels.map((text) => textWidth(text))) + 8
  const room = available === undefined ? GRID_WIDTH : available - left
  const size = cellSize(picture, room, scrolls)
  // On a canvas, cells that begin between two pixels of the device would blur.
  const snapped = (length: number) => (pixel > 0 ? Math.max(pixel, Math.floor(length / pixel) * pixel) : length)
  const [cellWidth, cellHeight] = [snapped(size.cellWidth), snapped(size.cellHeight)]
  return {
    left,
    header: columnHeader(columnLabels, cellWidth),
    cellWidth,
    cellHeight,
    showsText: size.showsText,
    rowLabels: thinned(rowLabels, cellHeight, ROW_PITCH),
  }
}

function cellSize(picture: GridPicture, room: number, scrolls: boolean) {
  const count = Math.max(1, picture.columnLabels.length)
  if (picture.thumbnail) {
    const side = Math.max(40, Math.min(THUMBNAIL + GAP, Math.floor(room / count)))
    return { showsText: false, cellWidth: side, cellHeight: side }
  }
  const text = widestText(picture, scrolls && picture.keepsText ? Infinity : (room * 1.25) / count)
  if (text !== undefined) return { showsText: true, cellWidth: text, cellHeight: CELL_HEIGHT }
  const smallest = picture.compact ? 1 : 3
  const cellWidth = Math.max(smallest, Math.min(24, room / count))
  return { showsText: false, cellWidth, cellHeight: Math.min(CELL_HEIGHT, cellWidth) }
}

/** The width of a cell that holds its text, or undefined where `most` pixels cannot. */
function widestText({ values, text, widestText = 72 }: GridPicture, most: number): number | undefined {
  if (!text || most < 24) return undefined
  let widest = 16
  for (let row = 0; row < values.count; row++) {
    for (let column = 0; column < values.columns && widest < widestText; column++) {
      widest = Math.max(widest, textWidth(text(row, column), CELL_FONT))
    }
  }
  const width = Math.min(widest, widestText) + 8
  return width <= most ? width : undefined
}

/** Column labels above the grid: level where all fit, else slanted; where even that is too dense, every k-th. */
function columnHeader(labels: readonly string[], cellWidth: number): Piece {
  const texts = labels.map((text) => fitText(visibleLabel(text), 130))
  const widest = Math.max(0, ...texts.map((text) => textWidth(text)))
  if (widest <= cellWidth - 2) {
    const level = texts.map((text, column) => label((column + 0.5) * cellWidth, -6, text, { 'text-anchor': 'middle' }))
    return { markup: fragment(level), width: 0, height: LINE + 6 }
  }
  const slanted = thinned(texts, cellWidth, COLUMN_PITCH).map(([column, text]) => {
    const x = (column + 0.5) * cellWidth
    return {
      end: x + textWidth(text) * Math.SQRT1_2 + 8,
      markup: label(0, 0, text, { transform: `translate(${round(x + 2)} -6) rotate(-45)` }),
    }
  })
  return {
    markup: fragment(slanted.map(({ markup }) => markup)),
    width: Math.max(0, ...slanted.map(({ end }) => end)),
    height: widest * Math.SQRT1_2 + FONT_SIZE + 8,
  }
}

/** The labels that have room, with their places. */
function thinned(labels: readonly string[], pitch: number, needed: number): [number, string][] {
  const stride = Math.max(1, Math.ceil(needed / pitch))
  return labels.map((text, index): [number, string] => [index, text]).filter(([index]) => index % stride === 0)
}
