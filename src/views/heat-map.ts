/** A labelled matrix of numbers: layers by positions of a patching sweep, layers by heads of an attribution. */

import { DiopterError } from '../errors/index.ts'
import { type ColorScale, type ColorScaleKind, colorScale } from './colors.ts'
import type { GridPicture } from './grid-picture.ts'
import { visibleLabel } from './labels.ts'
import { type Matrix, mapRows, type Rows, rowsOf, valueAt, valuesOf } from './numbers.ts'
import { commonFormat, hoverValue, isPresent } from './scales.ts'
import type { Table } from './table.ts'
import { gridLines, legendLines, numberCell, type ReferenceMark, type TextOptions, titleLines } from './terminal.ts'
import { defineGridView } from './view.ts'

/** Props of the view `heatMap`. */
export interface HeatMapProps {
  readonly title: string
  /** [row][column]; null, NaN and infinities are absent cells, drawn hatched. */
  readonly values: Matrix
  /** Such as `layer 0` or `L3`; drawn from the top in this order. */
  readonly rowLabels: readonly string[]
  /** Such as the prompt's tokens, as the tokenizer decodes them. */
  readonly columnLabels: readonly string[]
  /** What rows and columns are; `row` and `column` unless said. */
  readonly rowAxis?: string
  readonly columnAxis?: string
  /** What the values are, with their unit. */
  readonly valueLabel: string
  /** `diverging` unless said: neutral at zero. */
  readonly scale?: ColorScaleKind
  /** The values that the colours span; those of the cells and references unless said. */
  readonly domain?: readonly [number, number]
  /** Named values marked on the colour bar, such as the clean and the corrupted run's metric. */
  readonly references?: readonly ReferenceMark[]
}

/** A heat map. Throws where labels and values disagree in length. */
export const heatMap = defineGridView<HeatMapProps>({ grid, text, table })

function grid(props: HeatMapProps): GridPicture {
  const { title, rowLabels, columnLabels, valueLabel, references = [] } = props
  const { rowAxis, columnAxis, values } = checked(props)
  const format = commonFormat(valuesOf(values))
  return {
    title,
    rowLabels,
    columnLabels,
    rowAxis,
    columnAxis,
    values,
    scale: scaleOf(props, values),
    valueLabel,
    references,
    text: (row, column) => {
      const value = valueAt(values, row, column)
      return isPresent(value) ? format(value) : ''
    },
    hover: (row, column) => [
      `${rowAxis}: ${visibleLabel(rowLabels[row]!)}`,
      `${columnAxis} ${column}: ${visibleLabel(columnLabels[column]!)}`,
      `${valueLabel}: ${hoverValue(valueAt(values, row, column))}`,
    ],
  }
}

function text(props: HeatMapProps, options: TextOptions): string[] {
  const { values } = checked(props)
  const scale = scaleOf(props, values)
  const format = commonFormat(valuesOf(values))
  const rows = mapRows(values, (value) => numberCell(value, format, scale, options))
  return [
    ...titleLines(props.title, options),
    ...gridLines({ rowLabels: props.rowLabels, columnLabels: props.columnLabels, rows, align: 'right' }, options),
    ...legendLines(scale, props.valueLabel, props.references ?? [], options),
  ]
}

function table(props: HeatMapProps): Table {
  const { rowAxis, columnAxis, values } = checked(props)
  return {
    columns: [rowAxis, `${columnAxis} index`, columnAxis, props.valueLabel],
    rows: mapRows(values, (value, r, c) => [props.rowLabels[r]!, c, props.columnLabels[c]!, value]).flat(),
  }
}

function checked(props: HeatMapProps): { rowAxis: string; columnAxis: string; values: Rows } {
  const values = rowsOf('Heat map values', props.values, props.rowLabels.length, props.columnLabels.length)
  const absent = props.references?.find(({ value }) => !isPresent(value))
  if (absent)
    throw new DiopterError(`The reference mark "${absent.label}" is ${absent.value}: leave out what has no value.`)
  return { rowAxis: props.rowAxis ?? 'row', columnAxis: props.columnAxis ?? 'column', values }
}

function scaleOf(props: HeatMapProps, values: Rows): ColorScale {
  const references = (props.references ?? []).map(({ value }) => value)
  return colorScale({
    kind: props.scale ?? 'diverging',
    values: [...valuesOf(values), ...references],
    domain: props.domain,
  })
}
