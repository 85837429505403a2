/** The static SVG of a grid: an element per cell with its hover text, or one shape per colour where cells are many. */

import { colorBar } from './color-bar.ts'
import { hex, readableOn } from './colors.ts'
import {
  CELL_FONT,
  GAP,
  type GridLayout,
  type GridPicture,
  gridLayout,
  isLarge,
  THUMBNAIL_CELLS,
} from './grid-picture.ts'
import { visibleText } from './labels.ts'
import { pooled, type Rows, valueAt } from './numbers.ts'
import { isPresent } from './scales.ts'
import { shadedCells } from './shades.ts'
import { document, element, fitText, fragment, LINE, label, type Markup, mark, round } from './svg.ts'

/** Colours of a large grid, and of a thumbnail. */
const SHADES = 64
const THUMBNAIL_SHADES = 16

/** The whole picture as an SVG document. */
export function gridSvg(grid: GridPicture): string {
  const layout = gridLayout(grid, undefined)
  const { left, header, cellWidth, cellHeight } = layout
  const gridWidth = cellWidth * grid.columnLabels.length
  const gridHeight = cellHeight * grid.rowLabels.length
  const bar = colorBar(grid.scale, grid.valueLabel, grid.references ?? [])
  const note = pooledNote(grid)
  const foot = header.height + gridHeight + (grid.columnAxis === '' ? 4 : 32)
  const body: Markup[] = [
    ...axisName(grid.rowAxis, left - 8, header.height - 6, 'end'),
    element('g', { transform: `translate(${round(left)} ${round(header.height)})` }, header.markup),
    rowLabelTexts(layout, left - 8, header.height),
    element('g', { transform: `translate(${round(left)} ${round(header.height)})` }, ...drawnCells(grid, layout)),
    ...axisName(grid.columnAxis, left + gridWidth / 2, header.height + gridHeight + 16, 'middle'),
    element('g', { transform: `translate(${round(left)} ${round(foot)})` }, bar.markup),
    ...(note ? [label(left, foot + bar.height + LINE, note)] : []),
  ]
  return document({
    title: grid.title,
    width: left + Math.max(gridWidth, header.width, bar.width, note ? 430 : 0),
    height: foot + bar.height + (note ? LINE + 4 : 0),
    body,
  })
}

function axisName(name: string, x: number, y: number, anchor: 'middle' | 'end'): Markup[] {
  return name === '' ? [] : [label(x, y, visibleText(name), { 'text-anchor': anchor, 'fill-opacity': 0.7 })]
}

/** The row labels that have room, right-aligned at `x`. */
export function rowLabelTexts({ rowLabels, cellHeight }: GridLayout, x: number, top: number): Markup {
  return fragment(
    rowLabels.map(([row, text]) => label(x, top + (row + 0.5) * cellHeight + 4, text, { 'text-anchor': 'end' })),
  )
}

function drawnCells(grid: GridPicture, layout: GridLayout): Markup[] {
  const { cellWidth, cellHeight, showsText } = layout
  const { values } = grid
  if (grid.thumbnail) {
    return places(values).map(([row, column]) => thumbnail(grid, grid.thumbnail!(row, column), row, column, cellWidth))
  }
  if (isLarge(grid)) return [shadedCells(values, grid.scale, cellWidth, cellHeight, SHADES)]
  return [
    ...places(values).map(([row, column]) => cellRect(grid, row, column, cellWidth, cellHeight)),
    absentHatching(values, cellWidth, cellHeight),
    ...(showsText ? cellTexts(grid, cellWidth, cellHeight) : []),
  ]
}

function places({ count, columns }: Rows): [row: number, column: number][] {
  return Array.from({ length: count * columns }, (_, index) => [Math.floor(index / columns), index % columns])
}

function cellRect(grid: GridPicture, row: number, column: number, width: number, height: number): Markup {
  const value = valueAt(grid.values, row, column)
  const place = {
    x: column * width,
    y: row * height,
    width,
    height,
    fill: isPresent(value) ? hex(grid.scale.color(value)) : 'none',
    stroke: 'currentColor',
    'stroke-opacity': 0.12,
  }
  return mark('rect', place, { row, column, value, hover: grid.hover(row, column) })
}

function thumbnail(grid: GridPicture, matrix: Rows, row: number, column: number, pitch: number): Markup {
  const side = pitch - GAP
  const cells = pooled(matrix, THUMBNAIL_CELLS)
  return element(
    'g',
    { transform: `translate(${round(column * pitch + GAP / 2)} ${round(row * pitch + GAP / 2)})` },
    shadedCells(cells, grid.scale, side / (cells.columns || 1), side / (cells.count || 1), THUMBNAIL_SHADES),
    mark(
      'rect',
      { width: side, height: side, fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.3 },
      { row, column, value: valueAt(grid.values, row, column), hover: grid.hover(row, column) },
    ),
  )
}

/** What pooling does to a grid's thumbnails, where it does anything. */
function pooledNote(grid: GridPicture): string | undefined {
  const side = grid.thumbnail && grid.values.count * grid.values.columns > 0 ? grid.thumbnail(0, 0).count : 0
  return side > THUMBNAIL_CELLS ? poolingNote(side, THUMBNAIL_CELLS) : undefined
}

/** What a thumbnail of fewer cells than tokens shows, in a sentence. */
export function poolingNote(tokens: number, side: number): string {
  return `${tokens} tokens drawn as ${side} by ${side} cells: each is the largest weight in its block.`
}

/** One diagonal through every absent cell, as a single path. */
function absentHatching(values: Rows, width: number, height: number): Markup {
  const strokes = places(values).flatMap(([row, column]) =>
    isPresent(valueAt(values, row, column))
      ? []
      : [`M${round(column * width)} ${round((row + 1) * height)}l${round(width)} ${round(-height)}`],
  )
  if (strokes.length === 0) return fragment([])
  return element('path', {
    d: strokes.join(''),
    stroke: 'currentColor',
    'stroke-opacity': 0.25,
    'pointer-events': 'none',
  })
}

function cellTexts(grid: GridPicture, width: number, height: number): Markup[] {
  const texts = places(grid.values).flatMap(([row, column]) => {
    const value = valueAt(grid.values, row, column)
    const text = grid.text?.(row, column) ?? ''
    if (!isPresent(value) || text === '') return []
    const fill = hex(readableOn(grid.scale.color(value)))
    return [label((column + 0.5) * width, (row + 0.5) * height + 3.5, fitText(text, width - 4, CELL_FONT), { fill })]
  })
  return [element('g', { 'text-anchor': 'middle', 'font-size': CELL_FONT, 'pointer-events': 'none' }, ...texts)]
}
