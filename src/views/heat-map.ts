/** A labelled matrix of numbers: layers by positions of a patching sweep, layers by heads of an attribution. */

import { DiopterError } from '../errors/index.ts'
import { type ColorScale, type ColorScaleKind, colorScale } from './colors.ts'
import { gridSvg } from './grid.ts'
import { visibleLabel } from './labels.ts'
import { commonFormat, exactValue, isPresent, type Value } from './scales.ts'
import type { Table } from './table.ts'
import { gridLines, legendLines, numberCell, type ReferenceMark, type TextOptions, titleLines } from './terminal.ts'
import { assertGrid, defineView } from './view.ts'

/** Props of the view `heatMap`. */
export interface HeatMapProps {
  readonly title: string
  /** [row][column]; null, NaN and infinities are absent cells, drawn hatched. */
  readonly values: readonly (readonly Value[])[]
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
export const heatMap = defineView<HeatMapProps>({ svg, text, table })

function svg(props: HeatMapProps): string {
  const { title, values, rowLabels, columnLabels, valueLabel, references = [] } = props
  const { rowAxis, columnAxis } = axes(props)
  const format = commonFormat(values.flat())
  const rows = values.map((row, r) =>
    row.map((value, c) => ({
      value,
      text: isPresent(value) ? format(value) : '',
      hover: [
        `${rowAxis}: ${visibleLabel(rowLabels[r]!)}`,
        `${columnAxis} ${c}: ${visibleLabel(columnLabels[c]!)}`,
        `${valueLabel}: ${exactValue(value)}`,
      ],
    })),
  )
  return gridSvg({
    title,
    rowLabels,
    columnLabels,
    rowAxis,
    columnAxis,
    rows,
    scale: scaleOf(props),
    valueLabel,
    references,
  })
}

function text(props: HeatMapProps, options: TextOptions): string[] {
  axes(props)
  const scale = scaleOf(props)
  const format = commonFormat(props.values.flat())
  const rows = props.values.map((row) => row.map((value) => numberCell(value, format, scale, options)))
  return [
    ...titleLines(props.title, options),
    ...gridLines({ rowLabels: props.rowLabels, columnLabels: props.columnLabels, rows, align: 'right' }, options),
    ...legendLines(scale, props.valueLabel, props.references ?? [], options),
  ]
}

function table(props: HeatMapProps): Table {
  const { rowAxis, columnAxis } = axes(props)
  return {
    columns: [rowAxis, `${columnAxis} index`, columnAxis, props.valueLabel],
    rows: props.values.flatMap((row, r) =>
      row.map((value, c) => [props.rowLabels[r]!, c, props.columnLabels[c]!, value]),
    ),
  }
}

function axes(props: HeatMapProps): { rowAxis: string; columnAxis: string } {
  assertGrid('Heat map values', props.values, props.rowLabels.length, props.columnLabels.length)
  const absent = props.references?.find(({ value }) => !isPresent(value))
  if (absent)
    throw new DiopterError(`The reference mark "${absent.label}" is ${absent.value}: leave out what has no value.`)
  return { rowAxis: props.rowAxis ?? 'row', columnAxis: props.columnAxis ?? 'column' }
}

function scaleOf(props: HeatMapProps): ColorScale {
  return colorScale({
    kind: props.scale ?? 'diverging',
    values: [...props.values.flat(), ...(props.references ?? []).map(({ value }) => value)],
    domain: props.domain,
  })
}
