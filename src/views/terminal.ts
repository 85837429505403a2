/** Terminal drawing: colours, titles, legends, and grids that are split into column blocks where they are too wide. */

import { ansi256, ansi256OfScale, type ColorScale, type Rgb, readableOn } from './colors.ts'
import { displayWidth, pad, truncate, visibleLabel, visibleText, wrap } from './labels.ts'
import { formatNumber, isPresent, type Value } from './scales.ts'

/** How a terminal is written to. */
export interface TextOptions {
  /** `none` writes no escape sequences at all: the numbers alone carry the picture. */
  readonly color: 'none' | '256' | 'truecolor'
  /** Columns; fewer than 20 count as 20. */
  readonly width: number
  /** Whether characters beyond ASCII may be written. */
  readonly unicode: boolean
}

/** Usable columns of a terminal. */
export function columnsOf({ width }: TextOptions): number {
  return Math.max(20, Math.floor(width))
}

/** `text` on a colour of a scale, in whichever of black and white reads on it. */
export function onBackground(text: string, background: Rgb | undefined, options: TextOptions): string {
  if (!background || options.color === 'none') return text
  const ink = readableOn(background)
  const colors =
    options.color === 'truecolor'
      ? `48;2;${background.join(';')};38;2;${ink.join(';')}`
      : `48;5;${ansi256OfScale(background)};38;5;${ansi256(ink)}`
  return `\u001b[${colors}m${text}\u001b[0m`
}

/** `text` in a colour. */
export function inColor(text: string, color: Rgb | undefined, options: TextOptions): string {
  if (!color || options.color === 'none') return text
  const code = options.color === 'truecolor' ? `2;${color.join(';')}` : `5;${ansi256(color)}`
  return `\u001b[38;${code}m${text}\u001b[0m`
}

/** The title, bold where there is colour, wrapped. */
export function titleLines(title: string, options: TextOptions): string[] {
  const lines = wrap(visibleText(title, options.unicode), columnsOf(options))
  return options.color === 'none' ? lines : lines.map((line) => `\u001b[1m${line}\u001b[0m`)
}

/** A sentence, wrapped. */
export function noteLines(note: string, options: TextOptions): string[] {
  return wrap(visibleText(note, options.unicode), columnsOf(options))
}

/** A named value beside a legend, such as the metric of the clean run. */
export interface ReferenceMark {
  readonly label: string
  readonly value: number
}

/** The colour scale as a bar between its ends' numbers, or the range in words without colour; reference marks below. */
export function legendLines(
  scale: ColorScale,
  valueLabel: string,
  references: readonly ReferenceMark[],
  options: TextOptions,
): string[] {
  const width = columnsOf(options)
  const name = visibleText(valueLabel, options.unicode)
  const marks = references.map((reference) => {
    const swatch = options.color === 'none' ? '' : `${onBackground('  ', scale.color(reference.value), options)} `
    const text = `${visibleText(reference.label, options.unicode)} ${formatNumber(reference.value)}`
    return swatch + truncate(text, width - 3, options.unicode)
  })
  const [low, high] = scale.domain
  if (options.color === 'none')
    return [...noteLines(`${valueLabel}: scale ${formatNumber(low)} to ${formatNumber(high)}`, options), ...marks]
  const ends = [formatNumber(low), formatNumber(high)] as const
  const cells = Math.max(4, Math.min(28, width - ends[0].length - ends[1].length - 2))
  const bar = Array.from({ length: cells }, (_, cell) => onBackground(' ', scale.at(cell / (cells - 1)), options)).join(
    '',
  )
  const drawn = `${ends[0]} ${bar} ${ends[1]}`
  const used = ends[0].length + ends[1].length + 2 + cells
  const beside = used + 2 + displayWidth(name) <= width
  return [beside ? `${drawn}  ${name}` : drawn, ...(beside ? [] : wrap(name, width)), ...marks]
}

/** One cell of a terminal grid: visible text and an optional background. */
export interface TextCell {
  readonly text: string
  readonly background?: Rgb | undefined
}

/** A number on its colour; an absent one is a dot without colour. */
export function numberCell(
  value: Value,
  format: (value: number) => string,
  scale: ColorScale,
  options: TextOptions,
): TextCell {
  if (isPresent(value)) return { text: format(value), background: scale.color(value) }
  return { text: options.unicode ? '·' : '.' }
}

export interface TextGrid {
  readonly rowLabels: readonly string[]
  readonly columnLabels: readonly string[]
  readonly rows: readonly (readonly TextCell[])[]
  /** Numbers read right-aligned, tokens left-aligned. */
  readonly align: 'left' | 'right'
  /** Most terminal columns that a column label may widen its column to. */
  readonly labelLimit?: number
  /** Most terminal columns that a cell's own text may take. */
  readonly cellLimit?: number
}

/** A labelled grid; columns that do not fit beside each other continue in further blocks, each with its labels. */
export function gridLines(grid: TextGrid, options: TextOptions): string[] {
  const { align, labelLimit = 8, cellLimit = 12 } = grid
  const { unicode } = options
  const width = columnsOf(options)
  const rowLabels = grid.rowLabels.map((label) => visibleLabel(label, unicode))
  const columnLabels = grid.columnLabels.map((label) => visibleLabel(label, unicode))
  const left = Math.min(Math.max(0, ...rowLabels.map(displayWidth)), Math.floor(width / 3))
  const widest = width - left - 1
  const widths = columnLabels.map((label, column) => {
    const inside = Math.max(0, ...grid.rows.map((row) => Math.min(displayWidth(row[column]!.text), cellLimit)))
    return Math.min(Math.max(inside, Math.min(displayWidth(label), labelLimit), 1), widest)
  })
  const cell = (text: string, column: number) =>
    ` ${pad(truncate(text, widths[column]!, unicode), widths[column]!, align)}`
  const lines: string[] = []
  const blocks = columnBlocks(widths, width - left)
  for (const [first, end] of blocks) {
    if (blocks.length > 1) {
      lines.push(
        truncate(
          `${end - first === 1 ? `column ${first}` : `columns ${first} to ${end - 1}`} of ${columnLabels.length}`,
          width,
          unicode,
        ),
      )
    }
    const columns = Array.from({ length: end - first }, (_, index) => first + index)
    lines.push(' '.repeat(left) + columns.map((column) => cell(columnLabels[column]!, column)).join(''))
    for (const [row, cells] of grid.rows.entries()) {
      const painted = columns.map((column) => {
        const { text, background } = cells[column]!
        return onBackground(cell(text, column), background, options)
      })
      lines.push(pad(truncate(rowLabels[row]!, left, unicode), left, 'right') + painted.join(''))
    }
    if (blocks.length > 1 && end < columnLabels.length) lines.push('')
  }
  return lines.map((line) => line.trimEnd())
}

/** Runs of columns [first, end) whose widths, with a space before each, fit in `room`. */
function columnBlocks(widths: readonly number[], room: number): [number, number][] {
  const blocks: [number, number][] = []
  let first = 0
  let used = 0
  for (const [column, width] of widths.entries()) {
    if (column > first && used + width + 1 > room) {
      blocks.push([first, column])
      first = column
      used = 0
    }
    used += width + 1
  }
  if (first < widths.length) blocks.push([first, widths.length])
  return blocks
}
