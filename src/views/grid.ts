/** The SVG grid that heat maps, attention patterns and lens grids share: labelled cells and a colour bar. */

import { type ColorScale, hex, readableOn } from './colors.ts'
import { visibleLabel, visibleText } from './labels.ts'
import { formatNumber, isPresent, type Value } from './scales.ts'
import {
  document,
  element,
  FONT_SIZE,
  fitText,
  fragment,
  LINE,
  label,
  type Markup,
  mark,
  round,
  textWidth,
} from './svg.ts'
import type { ReferenceMark } from './terminal.ts'

/** One cell: its value colours it, its text is printed where it fits. */
export interface GridCell {
  readonly value: Value
  readonly text: string
  readonly hover: readonly string[]
}

export interface Grid {
  readonly title: string
  readonly rowLabels: readonly string[]
  readonly columnLabels: readonly string[]
  readonly rowAxis: string
  readonly columnAxis: string
  readonly rows: readonly (readonly GridCell[])[]
  readonly scale: ColorScale
  readonly valueLabel: string
  readonly references?: readonly ReferenceMark[]
  /** Printed text wider than this many pixels is cut with `…`. */
  readonly widestText?: number
}

const GRID_WIDTH = 900
const CELL_HEIGHT = 22
const CELL_FONT = 10
/** Pixels that one row label, and one slanted column label, need beside the next. */
const ROW_PITCH = 13
const COLUMN_PITCH = 18

/** The whole picture as an SVG document. */
export function gridSvg(grid: Grid): string {
  const { columnLabels, rows, widestText = 72 } = grid
  const rowLabels = grid.rowLabels.map((text) => fitText(visibleLabel(text), 170))
  const widest = Math.max(0, ...rows.flatMap((row) => row.map((cell) => textWidth(cell.text, CELL_FONT))))
  const textual = Math.max(24, Math.min(widest, widestText) + 8)
  const showsText = textual * columnLabels.length <= GRID_WIDTH * 1.25
  const cellWidth = showsText ? textual : Math.max(3, Math.min(24, GRID_WIDTH / Math.max(1, columnLabels.length)))
  const cellHeight = showsText ? CELL_HEIGHT : Math.max(4, Math.min(CELL_HEIGHT, cellWidth))

  const left = Math.max(textWidth(grid.rowAxis), ...rowLabels.map((text) => textWidth(text))) + 8
  const header = columnHeader(columnLabels, cellWidth)
  const gridWidth = cellWidth * columnLabels.length
  const gridHeight = cellHeight * rows.length
  const bar = colorBar(grid.scale, grid.valueLabel, grid.references ?? [])

  const body: Markup[] = [
    label(left - 8, header.height - 6, grid.rowAxis, { 'text-anchor': 'end', 'fill-opacity': 0.7 }),
    element('g', { transform: `translate(${round(left)} ${round(header.height)})` }, header.markup),
    ...thinned(rowLabels, cellHeight, ROW_PITCH).map(([row, text]) =>
      label(left - 8, header.height + (row + 0.5) * cellHeight + 4, text, { 'text-anchor': 'end' }),
    ),
    element(
      'g',
      { transform: `translate(${round(left)} ${round(header.height)})` },
      ...rows.flatMap((row, r) => row.map((cell, c) => cellRect(grid.scale, cell, r, c, cellWidth, cellHeight))),
      absentHatching(rows, cellWidth, cellHeight),
      ...(showsText ? cellTexts(grid, cellWidth, cellHeight) : []),
    ),
    label(left + gridWidth / 2, header.height + gridHeight + 16, visibleText(grid.columnAxis), {
      'text-anchor': 'middle',
      'fill-opacity': 0.7,
    }),
    element('g', { transform: `translate(${round(left)} ${round(header.height + gridHeight + 32)})` }, bar.markup),
  ]
  return document({
    title: grid.title,
    width: left + Math.max(gridWidth, header.width, bar.width),
    height: header.height + gridHeight + 32 + bar.height,
    body,
  })
}

function cellRect(
  scale: ColorScale,
  cell: GridCell,
  row: number,
  column: number,
  width: number,
  height: number,
): Markup {
  const fill = isPresent(cell.value) ? hex(scale.color(cell.value)) : 'none'
  const place = {
    x: column * width,
    y: row * height,
    width,
    height,
    fill,
    stroke: 'currentColor',
    'stroke-opacity': 0.12,
  }
  return mark('rect', place, { row, column, value: cell.value, hover: cell.hover })
}

/** One diagonal through every absent cell, as a single path. */
function absentHatching(rows: readonly (readonly GridCell[])[], width: number, height: number): Markup {
  const strokes = rows.flatMap((row, r) =>
    row.flatMap((cell, c) =>
      isPresent(cell.value)
        ? []
        : [`M${round(c * width)} ${round((r + 1) * height)}l${round(width)} ${round(-height)}`],
    ),
  )
  if (strokes.length === 0) return fragment([])
  return element('path', {
    d: strokes.join(''),
    stroke: 'currentColor',
    'stroke-opacity': 0.25,
    'pointer-events': 'none',
  })
}

function cellTexts(grid: Grid, width: number, height: number): Markup[] {
  const texts = grid.rows.flatMap((row, r) =>
    row.flatMap((cell, c) => {
      if (!isPresent(cell.value) || cell.text === '') return []
      const fill = hex(readableOn(grid.scale.color(cell.value)))
      return [label((c + 0.5) * width, (r + 0.5) * height + 3.5, fitText(cell.text, width - 4, CELL_FONT), { fill })]
    }),
  )
  return [element('g', { 'text-anchor': 'middle', 'font-size': CELL_FONT, 'pointer-events': 'none' }, ...texts)]
}

/** Column labels above the grid: level where all fit, else slanted; where even that is too dense, every k-th. */
function columnHeader(labels: readonly string[], cellWidth: number): { markup: Markup; width: number; height: number } {
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

/** A colour bar: the value's name, reference marks pointing down at the bar, the bar, and its numbers. */
export function colorBar(
  scale: ColorScale,
  valueLabel: string,
  references: readonly ReferenceMark[] = [],
): { markup: Markup; width: number; height: number } {
  const width = 260
  const steps = 52
  const name = visibleText(valueLabel)
  const top = (references.length + 1) * LINE + 2
  const ramp = Array.from({ length: steps }, (_, step) =>
    element('rect', {
      x: (step * width) / steps,
      y: top,
      // Half a pixel over, so that no seams show.
      width: width / steps + (step < steps - 1 ? 0.5 : 0),
      height: 10,
      fill: hex(scale.at(step / (steps - 1))),
    }),
  )
  const ticks = scale.ticks.flatMap((tick) => {
    const x = scale.position(tick) * width
    return [line(x, top + 10, top + 14), label(x, top + 25, formatNumber(tick), { 'text-anchor': anchorAt(x / width) })]
  })
  const marks = references.flatMap(({ label: reference, value }, index) => {
    const x = scale.position(value) * width
    const y = (index + 2) * LINE - 4
    const text = fitText(`${visibleText(reference)} ${formatNumber(value)}`, width)
    // The text runs to whichever side has room.
    const flips = x + textWidth(text) + 4 > width
    const place = { 'text-anchor': flips ? 'end' : 'start' }
    return [line(x, y - 8, top + 10), label(x + (flips ? -4 : 4), y, text, place)]
  })
  return {
    markup: fragment([label(0, LINE - 4, name), ...ramp, ...ticks, ...marks]),
    width: Math.max(width + 16, textWidth(name)),
    height: top + 30,
  }
}

/** The end numbers stay between the bar's ends, so that nothing is clipped at the picture's edge. */
function anchorAt(position: number): 'start' | 'middle' | 'end' {
  return position < 0.05 ? 'start' : position > 0.95 ? 'end' : 'middle'
}

function line(x: number, from: number, to: number): Markup {
  return element('path', { d: `M${round(x)} ${round(from)}V${round(to)}`, stroke: 'currentColor', fill: 'none' })
}
