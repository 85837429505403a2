/** One head's attention pattern: how much each query token (row) reads from each key token (column). */

import { type ColorScale, type ColorScaleKind, colorScale } from './colors.ts'
import type { GridPicture } from './grid-picture.ts'
import { visibleLabel } from './labels.ts'
import { type Matrix, mapRows, type Rows, rowsOf, valueAt, valuesOf } from './numbers.ts'
import { commonFormat, hoverValue, isPresent } from './scales.ts'
import type { Table } from './table.ts'
import { gridLines, legendLines, numberCell, type TextOptions, titleLines } from './terminal.ts'
import { defineGridView } from './view.ts'

/** Props of the view `attention`. */
export interface AttentionProps {
  readonly title: string
  /** [query][key] weights, each row summing to 1; a causal model's zeros above the diagonal may be null. */
  readonly pattern: Matrix
  readonly queryTokens: readonly string[]
  readonly keyTokens: readonly string[]
  /** `sequential` from 0 to 1 unless said; `diverging` for differences of two patterns. */
  readonly scale?: ColorScaleKind
}

const format = commonFormat([1])

/** A single head's pattern. Throws where tokens and pattern disagree in length. */
export const attention = defineGridView<AttentionProps>({ grid, text, table })

function grid(props: AttentionProps): GridPicture {
  const { title, queryTokens, keyTokens, scale } = props
  const values = checked(props)
  const valueLabel = weightLabel(scale)
  return {
    title,
    rowLabels: queryTokens,
    columnLabels: keyTokens,
    rowAxis: 'query',
    columnAxis: 'key',
    values,
    scale: weightScale(scale, () => valuesOf(values)),
    valueLabel,
    text: (query, key) => {
      const weight = valueAt(values, query, key)
      return isPresent(weight) ? format(weight) : ''
    },
    hover: (query, key) => [
      `from query ${query}: ${visibleLabel(queryTokens[query]!)}`,
      `to key ${key}: ${visibleLabel(keyTokens[key]!)}`,
      `${valueLabel}: ${hoverValue(valueAt(values, query, key))}`,
    ],
  }
}

function text(props: AttentionProps, options: TextOptions): string[] {
  const { title, queryTokens, keyTokens } = props
  const values = checked(props)
  const scale = weightScale(props.scale, () => valuesOf(values))
  const short = (weight: number) => format(weight).replace(/^(-?)0\./, '$1.')
  const rows = mapRows(values, (weight) => numberCell(weight, short, scale, options))
  return [
    ...titleLines(title, options),
    ...gridLines({ rowLabels: queryTokens, columnLabels: keyTokens, rows, align: 'right', labelLimit: 6 }, options),
    ...legendLines(scale, `${weightLabel(props.scale)}, query rows by key columns`, [], options),
  ]
}

function table(props: AttentionProps): Table {
  const { queryTokens, keyTokens } = props
  return {
    columns: ['query index', 'query', 'key index', 'key', weightLabel(props.scale)],
    rows: mapRows(checked(props), (weight, q, k) => [q, queryTokens[q]!, k, keyTokens[k]!, weight]).flat(),
  }
}

function checked({ pattern, queryTokens, keyTokens }: AttentionProps): Rows {
  return rowsOf('An attention pattern', pattern, queryTokens.length, keyTokens.length)
}

/** What the colours of patterns stand for. */
export function weightLabel(scale: ColorScaleKind = 'sequential'): string {
  return scale === 'diverging' ? 'difference of attention weights' : 'attention weight'
}

/** Weights on the fixed scale 0 to 1; differences on their own. */
export function weightScale(kind: ColorScaleKind = 'sequential', values: () => Iterable<number | null>): ColorScale {
  return kind === 'sequential'
    ? colorScale({ kind, values: [], domain: [0, 1] })
    : colorScale({ kind, values: values() })
}
