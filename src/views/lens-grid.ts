/** What the model would say after every layer: the logit lens's top token per layer and position. */

import { DiopterError } from '../errors/index.ts'
import { type ColorScale, colorScale } from './colors.ts'
import type { GridPicture } from './grid-picture.ts'
import { displayWidth, pad, truncate, visibleLabel } from './labels.ts'
import { assertGrid, rowsOf } from './numbers.ts'
import { hoverValue, isPresent, type Value } from './scales.ts'
import type { Table } from './table.ts'
import { gridLines, legendLines, type TextOptions, titleLines } from './terminal.ts'
import { defineGridView } from './view.ts'

/** A predicted token and its probability, 0 to 1. */
export interface Prediction {
  readonly token: string
  readonly probability: number
}

/** The lens at one layer and position. */
export interface LensCell {
  /** Most probable first; at least one. */
  readonly top: readonly Prediction[]
  /** Place, from 0, of the model's own final top token in this layer's ranking. */
  readonly rank?: number
  /** KL divergence from the model's final distribution, in nats. */
  readonly kl?: number
  /** Entropy of this layer's distribution, in nats. */
  readonly entropy?: number
}

/** What the colours stand for. */
export type LensMeasure = 'probability' | 'rank' | 'kl' | 'entropy'

/** Props of the view `lensGrid`. */
export interface LensGridProps {
  readonly title: string
  /** [layer][position]. */
  readonly cells: readonly (readonly LensCell[])[]
  /** Such as `embed`, `0`, `1`, one per row from the top. */
  readonly layerLabels: readonly string[]
  /** The prompt's tokens, one per position. */
  readonly tokens: readonly string[]
  /** `probability` unless said. The strong colour is always the surer side. */
  readonly colorBy?: LensMeasure
}

const MEASURES: Readonly<Record<LensMeasure, { readonly label: string; of(cell: LensCell): Value }>> = {
  probability: { label: 'probability of the top token', of: (cell) => cell.top[0]!.probability },
  rank: { label: 'rank of the final token (0 = top)', of: (cell) => cell.rank ?? null },
  kl: { label: 'KL from the final distribution (nats)', of: (cell) => cell.kl ?? null },
  entropy: { label: 'entropy (nats)', of: (cell) => cell.entropy ?? null },
}

/** Terminal columns for a cell's token; its number follows. */
const TOKEN_COLUMNS = 8

/** A logit-lens grid. Throws where labels and cells disagree, a cell is empty, or the measure asked for is nowhere. */
export const lensGrid = defineGridView<LensGridProps>({ grid, text, table })

function grid(props: LensGridProps): GridPicture {
  const { measure, scale, values } = coloring(props)
  return {
    title: props.title,
    rowLabels: props.layerLabels,
    columnLabels: props.tokens,
    rowAxis: 'layer',
    columnAxis: 'position',
    values: rowsOf('Lens grid values', values, props.layerLabels.length, props.tokens.length),
    scale,
    valueLabel: measure.label,
    widestText: 62,
    keepsText: true,
    text: (layer, position) => visibleLabel(props.cells[layer]![position]!.top[0]!.token),
    hover: (layer, position) => hoverText(props, props.cells[layer]![position]!, layer, position),
  }
}

/** The numbers that colour a lens grid, [layer][position], and what they are. */
export function lensValues(props: LensGridProps): { values: Value[][]; label: string } {
  const { values, measure } = coloring(props)
  return { values, label: measure.label }
}

function hoverText(props: LensGridProps, cell: LensCell, layer: number, position: number): string[] {
  const measured = (['rank', 'kl', 'entropy'] as const)
    .filter((name) => isPresent(MEASURES[name].of(cell)))
    .map((name) => `${MEASURES[name].label}: ${hoverValue(MEASURES[name].of(cell))}`)
  return [
    `layer: ${props.layerLabels[layer]}`,
    `after token ${position}: ${visibleLabel(props.tokens[position]!)}`,
    ...cell.top.map(
      ({ token, probability }, place) => `${place + 1}. ${visibleLabel(token)}  ${hoverValue(probability)}`,
    ),
    ...measured,
  ]
}

function text(props: LensGridProps, options: TextOptions): string[] {
  const { measure, scale } = coloring(props)
  const written = (value: Value) =>
    isPresent(value) ? (Number.isInteger(value) ? String(value) : value.toFixed(2)) : '-'
  const tokenOf = (cell: LensCell) =>
    truncate(visibleLabel(cell.top[0]!.token, options.unicode), TOKEN_COLUMNS, options.unicode)
  const tokenColumns = Math.max(0, ...props.cells.flat().map((cell) => displayWidth(tokenOf(cell))))
  const rows = props.cells.map((row) =>
    row.map((cell) => {
      const value = measure.of(cell)
      const background = isPresent(value) ? scale.color(value) : undefined
      return { text: `${pad(tokenOf(cell), tokenColumns)} ${written(value).replace(/^0\./, '.')}`, background }
    }),
  )
  return [
    ...titleLines(props.title, options),
    ...gridLines(
      { rowLabels: props.layerLabels, columnLabels: props.tokens, rows, align: 'left', cellLimit: TOKEN_COLUMNS + 6 },
      options,
    ),
    ...legendLines(scale, measure.label, [], options),
  ]
}

function table(props: LensGridProps): Table {
  checked(props)
  const measures = (['rank', 'kl', 'entropy'] as const).filter((name) =>
    props.cells.some((row) => row.some((cell) => cell[name] !== undefined)),
  )
  return {
    columns: ['layer', 'position', 'token', 'top token', 'probability', ...measures],
    rows: props.cells.flatMap((row, layer) =>
      row.map((cell, position) => [
        props.layerLabels[layer]!,
        position,
        props.tokens[position]!,
        cell.top[0]!.token,
        cell.top[0]!.probability,
        ...measures.map((name) => cell[name] ?? null),
      ]),
    ),
  }
}

function coloring(props: LensGridProps): {
  measure: (typeof MEASURES)[LensMeasure]
  scale: ColorScale
  values: Value[][]
} {
  checked(props)
  const { colorBy = 'probability' } = props
  const measure = MEASURES[colorBy]
  const values = props.cells.map((row) => row.map(measure.of))
  const all = values.flat()
  if (all.length > 0 && !all.some(isPresent)) {
    throw new DiopterError(
      `A lens grid was asked to show ${colorBy}, but no cell has it: give \`${colorBy}\` in the cells.`,
    )
  }
  const scale = colorScale({
    kind: 'sequential',
    values: [0, ...all],
    domain: colorBy === 'probability' ? [0, 1] : undefined,
    spacing: colorBy === 'rank' ? 'logarithmic' : 'linear',
    reversed: colorBy !== 'probability',
  })
  return { measure, scale, values }
}

function checked(props: LensGridProps): void {
  assertGrid('Lens grid cells', props.cells, props.layerLabels.length, props.tokens.length)
  for (const [layer, row] of props.cells.entries()) {
    const empty = row.findIndex((cell) => cell.top.length === 0)
    if (empty !== -1) throw new DiopterError(`The lens cell at row ${layer}, position ${empty} names no top token.`)
  }
}
