/** All heads at a glance: a thumbnail of every attention pattern, layers by heads, with three summary numbers. */

import { DiopterError } from '../errors/index.ts'
import { colorScale, hex } from './colors.ts'
import { colorBar } from './grid.ts'
import { formatNumber, isPresent, type Value } from './scales.ts'
import { document, element, LINE, label, type Markup, mark, round } from './svg.ts'
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
import { assertGrid, defineView } from './view.ts'

/** Props of the view `attentionHeads`. */
export interface AttentionHeadsProps {
  readonly title: string
  /** [layer][head][query][key] weights. */
  readonly patterns: readonly (readonly (readonly (readonly Value[])[])[])[]
  /** The prompt's tokens: queries and keys alike. */
  readonly tokens: readonly string[]
}

type Pattern = readonly (readonly Value[])[]

/** What a head mostly does, averaged over queries: its weight on the first token, the previous token and itself. */
interface Summary {
  readonly first: number
  readonly previous: number
  readonly itself: number
}

const COLUMNS = ['layer', 'head', 'weight on first token', 'on previous token', 'on itself'] as const
const SIDE = 64
const GAP = 8
/** More cells than this per side are pooled: a thumbnail of 64 pixels shows no more. */
const MOST_CELLS = 32
const SHADES = 12
const scale = colorScale({ kind: 'sequential', values: [], domain: [0, 1] })

/** Thumbnails of every head. Throws where a pattern is not tokens by tokens or layers differ in head count. */
export const attentionHeads = defineView<AttentionHeadsProps>({ svg, text, table })

function svg(props: AttentionHeadsProps): string {
  checked(props)
  const heads = props.patterns[0]?.length ?? 0
  const left = 36
  const top = 20
  const columns = Array.from({ length: heads }, (_, head) =>
    label(left + head * (SIDE + GAP) + SIDE / 2, top - 8, `H${head}`, { 'text-anchor': 'middle' }),
  )
  const rows = props.patterns.flatMap((layer, l) => {
    const y = top + l * (SIDE + GAP)
    return [
      label(left - 8, y + SIDE / 2 + 4, `L${l}`, { 'text-anchor': 'end' }),
      ...layer.map((pattern, h) => thumbnail(pattern, l, h, left + h * (SIDE + GAP), y)),
    ]
  })
  const bottom = top + props.patterns.length * (SIDE + GAP)
  const bar = colorBar(scale, 'attention weight, query rows by key columns')
  const pooled = props.tokens.length > MOST_CELLS
  const note = pooled ? [label(left, bottom + bar.height + LINE, pooledNote(props.tokens.length, MOST_CELLS))] : []
  return document({
    title: props.title,
    width: left + Math.max(heads * (SIDE + GAP), bar.width, pooled ? 430 : 0),
    height: bottom + bar.height + LINE + note.length * LINE,
    body: [...columns, ...rows, element('g', { transform: `translate(${left} ${bottom + 4})` }, bar.markup), ...note],
  })
}

/** Cells of one shade are one path: a grid of 144 heads stays a few hundred elements. */
function thumbnail(pattern: Pattern, layer: number, head: number, x: number, y: number): Markup {
  const cells = pooledCells(pattern, MOST_CELLS)
  const size = SIDE / Math.max(1, cells.length)
  const shades: string[] = Array.from({ length: SHADES + 1 }, () => '')
  for (const [q, row] of cells.entries()) {
    for (const [k, value] of row.entries()) {
      if (!isPresent(value)) continue
      const shade = Math.round(scale.position(value) * SHADES)
      if (shade > 0)
        shades[shade] += `M${round(k * size)} ${round(q * size)}h${round(size)}v${round(size)}h${round(-size)}z`
    }
  }
  const summary = summarise(pattern)
  const hover = [`layer ${layer}, head ${head}`, ...summaryLines(summary)]
  return element(
    'g',
    { transform: `translate(${x} ${y})` },
    element('rect', { width: SIDE, height: SIDE, fill: hex(scale.at(0)) }),
    ...shades.flatMap((d, shade) => (d === '' ? [] : [element('path', { d, fill: hex(scale.at(shade / SHADES)) })])),
    mark(
      'rect',
      { width: SIDE, height: SIDE, fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.3 },
      { row: layer, column: head, value: null, hover },
    ),
  )
}

function text(props: AttentionHeadsProps, options: TextOptions): string[] {
  checked(props)
  const heads = props.patterns.flatMap((layer, l) =>
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
    ...(options.color === 'none' ? [] : thumbnailLines(props, options)),
    ...noteLines('Mean attention weight on the first token, the previous token and the token itself:', options),
    ...numbers,
    ...legendLines(scale, 'attention weight', [], options),
  ]
}

/** Heads beside each other as blocks of coloured cells, two terminal columns per cell. */
function thumbnailLines(props: AttentionHeadsProps, options: TextOptions): string[] {
  const side = Math.min(8, props.tokens.length)
  const cellWidth = Math.max(2, Math.ceil(6 / Math.max(1, side)))
  const perLine = Math.max(1, Math.floor((columnsOf(options) + 2) / (side * cellWidth + 2)))
  const lines: string[] = []
  for (const [l, layer] of props.patterns.entries()) {
    for (let first = 0; first < layer.length; first += perLine) {
      const block = layer.slice(first, first + perLine)
      lines.push(
        block
          .map((_, index) => `L${l}H${first + index}`.padEnd(side * cellWidth))
          .join('  ')
          .trimEnd(),
      )
      const cells = block.map((pattern) => pooledCells(pattern, side))
      for (let row = 0; row < side; row++) {
        const drawn = cells.map((pooled) =>
          pooled[row]!.map((value) =>
            onBackground(' '.repeat(cellWidth), scale.color(isPresent(value) ? value : 0), options),
          ).join(''),
        )
        lines.push(drawn.join('  '))
      }
      lines.push('')
    }
  }
  return props.tokens.length > side ? [...lines, ...noteLines(pooledNote(props.tokens.length, side), options)] : lines
}

function table(props: AttentionHeadsProps): Table {
  checked(props)
  return {
    columns: COLUMNS,
    rows: props.patterns.flatMap((layer, l) => layer.map((pattern, h) => [l, h, ...summaryNumbers(pattern)])),
  }
}

/** Means over the queries that have the key in question: the first query has no previous token. */
function summarise(pattern: Pattern): Summary {
  const mean = (from: number, key: (query: number) => number) => {
    const weights = pattern.slice(from).map((row, index) => row[key(index + from)] ?? 0)
    return weights.length === 0 ? Number.NaN : weights.reduce((sum, weight) => sum + weight, 0) / weights.length
  }
  return { first: mean(0, () => 0), previous: mean(1, (query) => query - 1), itself: mean(0, (query) => query) }
}

/** In the order of the table's columns. */
function summaryNumbers(pattern: Pattern): number[] {
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

/** At most `side` by `side` cells, each the largest weight of those it stands for. */
function pooledCells(pattern: Pattern, side: number): Value[][] {
  const count = Math.min(side, pattern.length)
  const pooled = Array.from({ length: count }, () => Array.from({ length: count }, (): Value => null))
  for (const [q, row] of pattern.entries()) {
    for (const [k, value] of row.entries()) {
      const target = pooled[Math.floor((q * count) / pattern.length)]!
      const column = Math.floor((k * count) / row.length)
      if (isPresent(value) && value > (target[column] ?? -Infinity)) target[column] = value
    }
  }
  return pooled
}

function pooledNote(tokens: number, side: number): string {
  return `${tokens} tokens drawn as ${side} by ${side} cells: each is the largest weight in its block.`
}

function checked(props: AttentionHeadsProps): void {
  const heads = props.patterns[0]?.length ?? 0
  for (const [l, layer] of props.patterns.entries()) {
    if (layer.length !== heads) {
      throw new DiopterError(`Layer ${l} has ${layer.length} attention patterns where layer 0 has ${heads}.`)
    }
    for (const [h, pattern] of layer.entries()) {
      assertGrid(`The attention pattern of layer ${l}, head ${h}`, pattern, props.tokens.length, props.tokens.length)
    }
  }
}
