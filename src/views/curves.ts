/** Lines over x: loss over steps, probability over layers; several series, logarithmic axes, bands. */

import { DiopterError } from '../errors/index.ts'
import { seriesColors } from './colors.ts'
import { displayWidth, pad, truncate, visibleText } from './labels.ts'
import { type Axis, axis, formatNumber, hoverValue, isPresent, type Value } from './scales.ts'
import { document, element, fitText, LINE, label, type Markup, mark, round, textWidth, themed } from './svg.ts'
import type { Table } from './table.ts'
import { columnsOf, inColor, noteLines, type TextOptions, titleLines } from './terminal.ts'
import { assertLength, defineView } from './view.ts'

/** One line: as many y as x; absent values are gaps. */
export interface Series {
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly Value[]
  /** Edges of a band around the line, such as a 95% interval, as many as x. */
  readonly low?: readonly Value[]
  readonly high?: readonly Value[]
}

/** A stretch of x that is shaded and named: a phase, the interval of a change. */
export interface Span {
  readonly name: string
  readonly from: number
  readonly to: number
}

/** Props of the view `curves`. */
export interface CurvesProps {
  readonly title: string
  readonly series: readonly Series[]
  /** Axis names with their units. */
  readonly xLabel: string
  readonly yLabel: string
  /** `linear` unless said; values that are not positive are left out of a `log` axis, and counted below the picture. */
  readonly xScale?: 'linear' | 'log'
  readonly yScale?: 'linear' | 'log'
  /** Drawn behind the lines, as far as they lie on the x axis. */
  readonly spans?: readonly Span[]
}

const PLOT_WIDTH = 560
const PLOT_HEIGHT = 300
/** Beyond this many points per series, dots would hide the line. */
const MOST_DOTS = 60

/** Line charts. Throws where a series' x, y or band disagree in length, or the band has one edge only. */
export const curves = defineView<CurvesProps>({ svg, text, table })

function svg(props: CurvesProps): string {
  const { x, y } = axes(props)
  const xTicks = x.ticks(7)
  const yTicks = y.ticks(6)
  const left = Math.max(...yTicks.map((tick) => textWidth(formatNumber(tick))), 20) + 10
  const legend = drawnLegend(props.series, left)
  const top = legend.height + LINE + 4
  const toX = (value: number) => round(left + x.position(value) * PLOT_WIDTH)
  const toY = (value: number) => round(top + (1 - y.position(value)) * PLOT_HEIGHT)
  const faint = { stroke: 'currentColor', 'stroke-opacity': 0.15 }
  const body: Markup[] = [
    ...drawnSpans(props.spans ?? [], x, toX, top),
    legend.markup,
    label(0, top - 9, visibleText(props.yLabel), { 'fill-opacity': 0.7 }),
    ...yTicks.flatMap((tick) => [
      element('path', { d: `M${left} ${toY(tick)}h${PLOT_WIDTH}`, ...faint }),
      label(left - 6, toY(tick) + 4, formatNumber(tick), { 'text-anchor': 'end' }),
    ]),
    ...xTicks.flatMap((tick) => [
      element('path', { d: `M${toX(tick)} ${top}v${PLOT_HEIGHT + 4}`, ...faint }),
      label(toX(tick), top + PLOT_HEIGHT + 18, formatNumber(tick), { 'text-anchor': 'middle' }),
    ]),
    label(left + PLOT_WIDTH / 2, top + PLOT_HEIGHT + 35, visibleText(props.xLabel), {
      'text-anchor': 'middle',
      'fill-opacity': 0.7,
    }),
    ...props.series.flatMap((series, index) => [...drawnBand(series, index, x, y, toX, toY)]),
    ...props.series.flatMap((series, index) => drawnSeries(props, series, index, x, y, toX, toY)),
  ]
  const note = leftOutNote(props, x, y)
  if (note) body.push(label(left, top + PLOT_HEIGHT + 52, note))
  return document({
    title: props.title,
    width: left + PLOT_WIDTH + 16,
    height: top + PLOT_HEIGHT + 38 + (note ? 18 : 0),
    body,
  })
}

type Place = (value: number) => number

function drawnSpans(spans: readonly Span[], x: Axis, toX: Place, top: number): Markup[] {
  const [low, high] = x.domain
  return spans.flatMap(({ name, from, to }, index) => {
    if (!(to > low && from < high)) return []
    const [left, right] = [toX(Math.max(low, from)), toX(Math.min(high, to))]
    const opacity = index % 2 === 0 ? 0.06 : 0.12
    const area = { x: left, y: top, width: round(right - left), height: PLOT_HEIGHT }
    const text = visibleText(name)
    const hover = element('title', {}, `${text}: ${hoverValue(from)} to ${hoverValue(to)}`)
    return [
      element('rect', { ...area, fill: 'currentColor', 'fill-opacity': opacity }, hover),
      ...spanLabel(text, left, right - left, top + PLOT_HEIGHT - 6),
    ]
  })
}

/** A name at the foot of its stretch, upright where it would not fit lying; none where even that does not. */
function spanLabel(name: string, left: number, width: number, foot: number): Markup[] {
  const faint = { 'fill-opacity': 0.7 }
  if (textWidth(name) + 8 <= width) return [label(left + 4, foot, name, faint)]
  if (width < LINE) return []
  const x = round(left + width / 2 + 4)
  return [label(x, foot, fitText(name, PLOT_HEIGHT - 12), { transform: `rotate(-90 ${x} ${foot})`, ...faint })]
}

function drawnSeries(
  props: CurvesProps,
  series: Series,
  index: number,
  x: Axis,
  y: Axis,
  toX: Place,
  toY: Place,
): Markup[] {
  const line = { fill: 'none', 'stroke-width': 1.8, 'stroke-linejoin': 'round', 'stroke-dasharray': dashes(index) }
  const runs = presentRuns(series, (i) => x.shows(series.x[i]) && y.shows(series.y[i]))
  const d = runs
    .map((run) => run.map((i, k) => `${k === 0 ? 'M' : 'L'}${toX(series.x[i]!)} ${toY(series.y[i]!)}`).join(''))
    .join('')
  const dots = series.x.length <= MOST_DOTS
  const color = colorOf(index)
  return [
    element('path', { d, ...line, ...themed('stroke', `series-${index + 1}`, color) }),
    ...runs.flat().flatMap((i) => {
      const [cx, cy] = [toX(series.x[i]!), toY(series.y[i]!)]
      // A lone point has no line to show it.
      const seen = dots || runs.some((run) => run.length === 1 && run[0] === i)
      return [
        ...(seen ? [element('circle', { cx, cy, r: 2.4, ...themed('fill', `series-${index + 1}`, color) })] : []),
        mark(
          'circle',
          { cx, cy, r: 6, fill: 'none' },
          {
            row: index,
            column: i,
            value: series.y[i]!,
            hover: [
              visibleText(series.name),
              `${props.xLabel}: ${hoverValue(series.x[i]!)}`,
              `${props.yLabel}: ${hoverValue(series.y[i]!)}`,
              ...bandText(series, i),
            ],
          },
        ),
      ]
    }),
  ]
}

function bandText(series: Series, i: number): string[] {
  return series.low && series.high ? [`band: ${hoverValue(series.low[i]!)} to ${hoverValue(series.high[i]!)}`] : []
}

function drawnBand(series: Series, index: number, x: Axis, y: Axis, toX: Place, toY: Place): Markup[] {
  const { low, high } = series
  if (!low || !high) return []
  const runs = presentRuns(series, (i) => x.shows(series.x[i]) && y.shows(low[i]) && y.shows(high[i]))
  const d = runs.map((run) => {
    const upper = run.map((i) => `${toX(series.x[i]!)} ${toY(high[i]!)}`)
    const lower = run.toReversed().map((i) => `${toX(series.x[i]!)} ${toY(low[i]!)}`)
    return `M${[...upper, ...lower].join('L')}z`
  })
  return [
    element('path', { d: d.join(''), 'fill-opacity': 0.18, ...themed('fill', `series-${index + 1}`, colorOf(index)) }),
  ]
}

/** Indices of consecutive points that can be drawn. */
function presentRuns(series: Series, drawable: (index: number) => boolean): number[][] {
  const runs: number[][] = []
  let open = false
  for (const i of series.x.keys()) {
    if (!drawable(i)) {
      open = false
      continue
    }
    if (open) runs.at(-1)!.push(i)
    else runs.push([i])
    open = true
  }
  return runs
}

function drawnLegend(series: readonly Series[], left: number): { markup: Markup; height: number } {
  let x = 0
  let y = 8
  const entries = series.flatMap(({ name }, index) => {
    const text = fitText(visibleText(name), 260)
    const width = textWidth(text) + 44
    if (x > 0 && x + width > left + PLOT_WIDTH) {
      x = 0
      y += LINE + 2
    }
    const sample = element('path', {
      d: `M${round(x)} ${y}h22`,
      'stroke-width': 2.5,
      'stroke-dasharray': dashes(index),
      ...themed('stroke', `series-${index + 1}`, colorOf(index)),
    })
    const written = label(x + 27, y + 4, text)
    x += width
    return [sample, written]
  })
  return { markup: element('g', {}, ...entries), height: y + 12 }
}

function colorOf(index: number) {
  return seriesColors[index % seriesColors.length]!
}

/** Series beyond the palette repeat its colours with other dashes. */
function dashes(index: number): string | undefined {
  return [undefined, '6 3', '2 3', '8 3 2 3'][Math.floor(index / seriesColors.length) % 4]
}

function text(props: CurvesProps, options: TextOptions): string[] {
  const { x, y } = axes(props)
  const width = columnsOf(options)
  const height = 12
  const yTicks = [y.domain[1], y.domain[0]].map(formatNumber)
  const left = Math.max(...yTicks.map((tick) => tick.length)) + 1
  const plotWidth = Math.min(width - left - 1, 100)
  const canvas = drawCanvas(props, x, y, plotWidth, height, options)
  const rule = options.unicode ? '│' : '|'
  const rows = canvas.map((line, row) => {
    const tick = row === 0 ? yTicks[0]! : row === height - 1 ? yTicks[1]! : ''
    return `${pad(tick, left - 1, 'right')} ${rule}${line}`.trimEnd()
  })
  const [from, to] = [formatNumber(x.domain[0]), formatNumber(x.domain[1])]
  const note = leftOutNote(props, x, y)
  return [
    ...titleLines(props.title, options),
    ...noteLines(props.yLabel + (props.yScale === 'log' ? ' (logarithmic)' : ''), options),
    ...rows,
    ' '.repeat(left) + (options.unicode ? '└' : '+') + (options.unicode ? '─' : '-').repeat(plotWidth),
    `${' '.repeat(left + 1)}${from}${pad(to, Math.max(to.length + 1, plotWidth - from.length), 'right')}`,
    ...noteLines(props.xLabel + (props.xScale === 'log' ? ' (logarithmic)' : ''), options),
    ...props.series.map((series, index) => legendText(series, index, options)),
    ...(props.spans ?? []).flatMap(({ name, from, to }) =>
      noteLines(`${name}: ${formatNumber(from)} to ${formatNumber(to)}`, options),
    ),
    ...(note ? noteLines(note, options) : []),
  ]
}

const SYMBOLS = ['*', '+', 'o', 'x', '#', '@', '%', '&']

function legendText(series: Series, index: number, options: TextOptions): string {
  const present = series.y.filter(isPresent)
  const numbers =
    present.length === 0
      ? 'no values'
      : `first ${formatNumber(present[0]!)}, last ${formatNumber(present.at(-1)!)}, lowest ${formatNumber(Math.min(...present))}, highest ${formatNumber(Math.max(...present))}`
  const symbol = usesBraille(options) ? '━━' : SYMBOLS[index % SYMBOLS.length]!
  const line = truncate(
    `${visibleText(series.name, options.unicode)}: ${numbers}`,
    columnsOf(options) - displayWidth(symbol) - 1,
    options.unicode,
  )
  return `${inColor(symbol, colorOf(index), options)} ${line}`
}

/** Braille dots tell series apart by colour alone, so without colour every series has a symbol of its own. */
function usesBraille(options: TextOptions): boolean {
  return options.unicode && options.color !== 'none'
}

/** The plot as text lines: 2 by 4 braille dots per column and row, or one symbol. */
function drawCanvas(
  props: CurvesProps,
  x: Axis,
  y: Axis,
  width: number,
  height: number,
  options: TextOptions,
): string[] {
  const braille = usesBraille(options)
  const [fineX, fineY] = braille ? [2, 4] : [1, 1]
  const [dotsX, dotsY] = [width * fineX, height * fineY]
  const cells = Array.from({ length: height }, () => Array.from({ length: width }, () => ({ dots: 0, series: -1 })))
  const put = (dotX: number, dotY: number, series: number) => {
    const cell = cells[Math.floor(dotY / fineY)]![Math.floor(dotX / fineX)]!
    cell.dots |= BRAILLE[dotY % 4]![dotX % 2]!
    cell.series = series
  }
  for (const [index, series] of props.series.entries()) {
    for (const run of presentRuns(series, (i) => x.shows(series.x[i]) && y.shows(series.y[i]))) {
      const points = run.map((i): [number, number] => [
        Math.round(x.position(series.x[i]!) * (dotsX - 1)),
        Math.round((1 - y.position(series.y[i]!)) * (dotsY - 1)),
      ])
      for (const [k, [toX, toY]] of points.entries()) {
        const [fromX, fromY] = points[Math.max(0, k - 1)]!
        const steps = Math.max(Math.abs(toX - fromX), Math.abs(toY - fromY), 1)
        for (let step = 0; step <= steps; step++) {
          put(
            Math.round(fromX + ((toX - fromX) * step) / steps),
            Math.round(fromY + ((toY - fromY) * step) / steps),
            index,
          )
        }
      }
    }
  }
  return cells.map((row) =>
    row
      .map(({ dots, series }) => {
        if (series < 0) return ' '
        return braille
          ? inColor(String.fromCodePoint(0x2800 + dots), colorOf(series), options)
          : SYMBOLS[series % SYMBOLS.length]!
      })
      .join(''),
  )
}

/** Bits of the Unicode braille block: [row][column]. */
const BRAILLE = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const

function table(props: CurvesProps): Table {
  checked(props)
  const bands = props.series.some((series) => series.low)
  return {
    columns: ['series', props.xLabel, props.yLabel, ...(bands ? ['low', 'high'] : [])],
    rows: props.series.flatMap((series) =>
      series.x.map((value, i) => [
        series.name,
        value,
        series.y[i]!,
        ...(bands ? [series.low?.[i], series.high?.[i]] : []),
      ]),
    ),
  }
}

function axes(props: CurvesProps): { x: Axis; y: Axis } {
  checked(props)
  return {
    x: axis(
      props.xScale ?? 'linear',
      props.series.flatMap((series) => series.x),
    ),
    y: axis(
      props.yScale ?? 'linear',
      props.series.flatMap((series) => [...series.y, ...(series.low ?? []), ...(series.high ?? [])]),
    ),
  }
}

function leftOutNote(props: CurvesProps, x: Axis, y: Axis): string | undefined {
  const count = props.series.reduce(
    (sum, series) =>
      sum + series.x.filter((value, i) => isPresent(series.y[i]) && !(x.shows(value) && y.shows(series.y[i]))).length,
    0,
  )
  return count === 0
    ? undefined
    : `${count} ${count === 1 ? 'point is' : 'points are'} not drawn: not positive on a logarithmic axis.`
}

function checked(props: CurvesProps): void {
  for (const series of props.series) {
    assertLength(`y of the series ${series.name}`, series.y, series.x.length)
    if ((series.low === undefined) !== (series.high === undefined)) {
      throw new DiopterError(
        `The band of the series ${series.name} has one edge: give both \`low\` and \`high\`, or neither.`,
      )
    }
    if (series.low) assertLength(`low of the series ${series.name}`, series.low, series.x.length)
    if (series.high) assertLength(`high of the series ${series.name}`, series.high, series.x.length)
  }
}
