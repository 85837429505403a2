/** Pictures of results: SVG, terminal lines, live elements, tables and reports from one set of plain-JSON props. */

export type { AttentionProps } from './attention.ts'
export type { AttentionHeadsProps } from './attention-heads.ts'
export type { Bar, BarListProps } from './bar-list.ts'
export type { CheckRow, ChecksListProps } from './checks-list.ts'
export type { CircuitGraphProps, CircuitLink, CircuitNode } from './circuit-graph.ts'
export type { ColorScaleKind } from './colors.ts'
export type { CurvesProps, Series, Span } from './curves.ts'
export { differenceView, whyNoDifference } from './difference.ts'
export type { DirectionPanel, DirectionsProps, PlanarDirection } from './directions.ts'
export { fileName, toPng } from './export.ts'
export type { HeatMapProps } from './heat-map.ts'
export { htmlReport, type Report, type ReportBlock } from './html.ts'
export { displayWidth, visibleLabel, visibleText } from './labels.ts'
export type { LensCell, LensGridProps, LensMeasure, Prediction } from './lens-grid.ts'
export type { Interactive, Mounted, Selection } from './live/interactive.ts'
export { type Matrix, type MatrixStack, matrixAt, type NumberArray } from './numbers.ts'
export { isAt, type Place, type Places, placeAt } from './place.ts'
export {
  type MountedView,
  mountView,
  type PropsOf,
  renderSvg,
  renderText,
  type ViewName,
  type ViewSpec,
  views,
  viewTable,
} from './registry.ts'
export type { Value } from './scales.ts'
export { type Table, type TableCell, toCsv } from './table.ts'
export { tableElement } from './table-element.ts'
export type { ReferenceMark, TextOptions } from './terminal.ts'
export type { AttentionTokensProps } from './token-reading.ts'
export type { TokenStripProps } from './token-strip.ts'
export type { View } from './view.ts'
