/** All heads at a glance: a thumbnail of every attention pattern, layers by heads, with three summary numbers. */

import { weightLabel, weightScale } from './attention.ts'
import type { ColorScale, ColorScaleKind } from './colors.ts'
import { poolingNote } from './grid.ts'
import type { GridPicture } from './grid-picture.ts'
import { type MatrixStack, mapRows, pooled, type Rows, rowsOf, stackOf, valueAt, valuesOf } from './numbers.ts'
import { formatNumber, isPresent } from './scales.ts'
import type { Table } from './table.ts'
import {
  columnsOf,
  gridLines,
  legendLines,
  noteLines,
  numberCell,
  onBackground,
  type TextOptions,
  titleLines,
} from './terminal.ts'
import { defineGridView } from './view.ts'

/** Props of the view `attentionHeads`. */
export interface AttentionHeadsProps {
  readonly title: string
  /** [layer][head][query][key] weights, nested or flat. */
  readonly patterns: MatrixStack
  /** The prompt's tokens: queries and keys alike. */
  readonly tokens: readonly string[]
  /** `sequential` from 0 to 1 unless said; `diverging` for differences of two models' or prompts' patterns. */
  readonly scale?: ColorScaleKind
}

/** What a head mostly does, averaged over queries: its weight on the first token, the previous token and itself. */
interface Summary {
  readonly first: number
  readonly previous: number
  readonly itself: number
}

const COLUMNS = ['layer', 'head', 'weight on first token', 'on previous token', 'on itself'] as const

/** Thumbnails of every head. Throws where a pattern is not tokens by tokens or layers differ in head count. */
export const attentionHeads = defineGridView<AttentionHeadsProps>({ grid, text, table })

function grid(props: AttentionHeadsProps): GridPicture {
  const patterns = checked(props)
  const heads = patterns[0]?.length ?? 0
  // A head's pattern is no number: its thumbnail colours it.
  const values = patterns.map((layer) => layer.map(() => null))
  return {
    title: props.title,
    rowLabels: patterns.map((_, layer) => `L${layer}`),
    columnLabels: Array.from({ length: heads }, (_, head) => `H${head}`),
    rowAxis: '',
    columnAxis: '',
    values: rowsOf('Heads', values, patterns.length, heads),
    scale: scaleOf(props, patterns),
    valueLabel: `${weightLabel(props.scale)}, query rows by key columns`,
    thumbnail: (layer, head) => patterns[layer]![head]!,
    hover: (layer, head) => [`layer ${layer}, head ${head}`, ...summaryLines(summarise(patterns[layer]![head]!))],
  }
}

function text(props: AttentionHeadsProps, options: TextOptions): string[] {
  const patterns = checked(props)
  const scale = scaleOf(props, patterns)
  const heads = patterns.flatMap((layer, l) =>
    layer.map((pattern, h) => ({ name: `L${l}H${h}`, weights: summaryNumbers(pattern) })),
  )
  const numbers = gridLines(
    {
      rowLabels: heads.map(({ name }) => name),
      columnLabels: ['first', 'previous', 'itself'],
      rows: heads.map(({ weights }) =>
        weights.map((weight) => numberCell(weight, (mean) => mean.toFixed(2), scale, options)),
      ),
      align: 'right',
    },
    options,
  )
  return [
    ...titleLines(props.title, options),
    ...(options.color === 'none' ? [] : thumbnailLines(patterns, scale, props.tokens.length, options)),
    ...noteLines('Mean attention weight on the first token, the previous token and the token itself:', options),
    ...numbers,
    ...legendLines(scale, weightLabel(props.scale), [], options),
  ]
}

/** Heads beside each other as blocks of coloured cells, two terminal columns per cell. */
function thumbnailLines(patterns: Rows[][], scale: ColorScale, tokens: number, options: TextOptions): string[] {
  const side = Math.min(8, tokens)
  const cellWidth = Math.max(2, Math.ceil(6 / Math.max(1, side)))
  const perLine = Math.max(1, Math.floor((columnsOf(options) + 2) / (side * cellWidth + 2)))
  const lines: string[] = []
  for (const [l, layer] of patterns.entries()) {
    for (let first = 0; first < layer.length; first += perLine) {
      const block = layer.slice(first, first + perLine)
      lines.push(
        block
          .map((_, index) => `L${l}H${first + index}`.padEnd(side * cellWidth))
          .join('  ')
          .trimEnd(),
      )
      const cells = block.map((pattern) =>
        mapRows(pooled(pattern, side), (value) =>
          onBackground(' '.repeat(cellWidth), scale.color(isPresent(value) ? value : 0), options),
        ),
      )
      for (let row = 0; row < side; row++) lines.push(cells.map((drawn) => drawn[row]!.join('')).join('  '))
      lines.push('')
    }
  }
  return tokens > side ? [...lines, ...noteLines(poolingNote(tokens, side), options)] : lines
}

function table(props: AttentionHeadsProps): Table {
  return {
    columns: COLUMNS,
    rows: checked(props).flatMap((layer, l) => layer.map((pattern, h) => [l, h, ...summaryNumbers(pattern)])),
  }
}

/** Means over the queries that have the key in question: the first query has no previous token. */
function summarise(pattern: Rows): Summary {
  const mean = (from: number, key: (query: number) => number) => {
    let sum = 0
    for (let query = from; query < pattern.count; query++) sum += valueAt(pattern, query, key(query)) ?? 0
    return pattern.count > from ? sum / (pattern.count - from) : Number.NaN
  }
  return { first: mean(0, () => 0), previous: mean(1, (query) => query - 1), itself: mean(0, (query) => query) }
}

/** In the order of the table's columns. */
function summaryNumbers(pattern: Rows): number[] {
  const { first, previous, itself } = summarise(pattern)
  return [first, previous, itself]
}

function summaryLines({ first, previous, itself }: Summary): string[] {
  return [
    `weight on first token: ${formatNumber(first)}`,
    `on previous token: ${formatNumber(previous)}`,
    `on itself: ${formatNumber(itself)}`,
  ]
}

function scaleOf({ scale }: AttentionHeadsProps, patterns: Rows[][]): ColorScale {
  return weightScale(scale, function* () {
    for (const pattern of patterns.flat()) yield* valuesOf(pattern)
  })
}

function checked({ patterns, tokens }: AttentionHeadsProps): Rows[][] {
  return stackOf('The attention pattern', patterns, tokens.length)
}
