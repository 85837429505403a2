/** One head's attention pattern: how much each query token (row) reads from each key token (column). */

import { colorScale } from './colors.ts'
import { gridSvg } from './grid.ts'
import { visibleLabel } from './labels.ts'
import { commonFormat, exactValue, isPresent, type Value } from './scales.ts'
import type { Table } from './table.ts'
import { gridLines, legendLines, numberCell, type TextOptions, titleLines } from './terminal.ts'
import { assertGrid, defineView } from './view.ts'

/** Props of the view `attention`. */
export interface AttentionProps {
  readonly title: string
  /** [query][key] weights, each row summing to 1; a causal model's zeros above the diagonal may be null. */
  readonly pattern: readonly (readonly Value[])[]
  readonly queryTokens: readonly string[]
  readonly keyTokens: readonly string[]
}

const VALUE_LABEL = 'attention weight'
const format = commonFormat([1])
const scale = colorScale({ kind: 'sequential', values: [], domain: [0, 1] })

/** A single head's pattern on the fixed scale 0 to 1. Throws where tokens and pattern disagree in length. */
export const attention = defineView<AttentionProps>({ svg, text, table })

function svg(props: AttentionProps): string {
  const { title, pattern, queryTokens, keyTokens } = checked(props)
  const rows = pattern.map((row, q) =>
    row.map((value, k) => ({
      value,
      text: isPresent(value) ? format(value) : '',
      hover: [
        `from query ${q}: ${visibleLabel(queryTokens[q]!)}`,
        `to key ${k}: ${visibleLabel(keyTokens[k]!)}`,
        `${VALUE_LABEL}: ${exactValue(value)}`,
      ],
    })),
  )
  const rowLabels = queryTokens
  return gridSvg({
    title,
    rowLabels,
    columnLabels: keyTokens,
    rowAxis: 'query',
    columnAxis: 'key',
    rows,
    scale,
    valueLabel: VALUE_LABEL,
  })
}

function text(props: AttentionProps, options: TextOptions): string[] {
  const { title, pattern, queryTokens, keyTokens } = checked(props)
  const short = (weight: number) => format(weight).replace(/^0\./, '.')
  const rows = pattern.map((row) => row.map((weight) => numberCell(weight, short, scale, options)))
  return [
    ...titleLines(title, options),
    ...gridLines({ rowLabels: queryTokens, columnLabels: keyTokens, rows, align: 'right', labelLimit: 6 }, options),
    ...legendLines(scale, `${VALUE_LABEL}, query rows by key columns`, [], options),
  ]
}

function table(props: AttentionProps): Table {
  const { pattern, queryTokens, keyTokens } = checked(props)
  return {
    columns: ['query index', 'query', 'key index', 'key', VALUE_LABEL],
    rows: pattern.flatMap((row, q) => row.map((value, k) => [q, queryTokens[q]!, k, keyTokens[k]!, value])),
  }
}

function checked(props: AttentionProps): AttentionProps {
  assertGrid('An attention pattern', props.pattern, props.queryTokens.length, props.keyTokens.length)
  return props
}
