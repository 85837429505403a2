/** Labelled signed bars: the components of a direct logit attribution, a ranking of heads. */

import { signColors } from './colors.ts'
import { displayWidth, pad, truncate, visibleLabel, visibleText } from './labels.ts'
import { type Axis, axis, commonFormat, formatNumber, hoverValue, isPresent, type Value } from './scales.ts'
import { document, element, fitText, LINE, label, MARGIN, type Markup, mark, round, textWidth, themed } from './svg.ts'
import type { Table } from './table.ts'
import { columnsOf, inColor, noteLines, type TextOptions, titleLines } from './terminal.ts'
import { defineView } from './view.ts'

/** One bar. */
export interface Bar {
  readonly label: string
  readonly value: Value
  /** Ends of an error bar, such as a 95% interval, in the value's unit. */
  readonly low?: number
  readonly high?: number
}

/** Props of the view `barList`. */
export interface BarListProps {
  readonly title: string
  /** Drawn from the top in this order. */
  readonly bars: readonly Bar[]
  /** What the values are, with their unit. */
  readonly valueLabel: string
}

const WIDEST = 420
/** Bars that are narrower say nothing. */
const NARROWEST = 140
const PITCH = 20

/** Horizontal bars from zero, positive to the right. */
export const barList = defineView<BarListProps>({ svg, text, table, wraps: true })

function svg(props: BarListProps, width = Number.POSITIVE_INFINITY): string {
  const labels = props.bars.map((bar) => fitText(visibleLabel(bar.label), 220))
  const left = Math.max(0, ...labels.map((text) => textWidth(text))) + 10
  const line = barAxis(props)
  const format = commonFormat(props.bars.map((bar) => bar.value))
  const bottom = props.bars.length * PITCH
  const numbers = Math.max(0, ...props.bars.map((bar) => (isPresent(bar.value) ? textWidth(format(bar.value)) : 0)))
  const room = Math.floor(width - 2 * MARGIN - left - 14 - numbers)
  const barWidth = Math.max(NARROWEST, Math.min(WIDEST, room))
  const x = (value: number) => left + line.position(value) * barWidth
  const ticks = line.ticks(barWidth < 260 ? 3 : 5).flatMap((tick) => [
    element('path', {
      d: `M${round(x(tick))} 0V${bottom + 4}`,
      stroke: 'currentColor',
      'stroke-opacity': tick === 0 ? 0.7 : 0.15,
    }),
    label(x(tick), bottom + 17, formatNumber(tick), { 'text-anchor': 'middle' }),
  ])
  const rows = props.bars.flatMap((bar, row) => [
    label(left - 8, row * PITCH + 14, labels[row]!, { 'text-anchor': 'end' }),
    ...drawnBar(bar, row, x),
    // All numbers in one column to the right: never under a bar or a whisker.
    label(left + barWidth + 10 + numbers, row * PITCH + 14, isPresent(bar.value) ? format(bar.value) : '–', {
      'text-anchor': 'end',
    }),
    mark(
      'rect',
      { x: 0, y: row * PITCH, width: left + barWidth + 10 + numbers, height: PITCH, fill: 'none' },
      {
        row,
        column: 0,
        value: bar.value,
        hover: hoverText(props, bar),
      },
    ),
  ])
  return document({
    title: props.title,
    width: left + barWidth + 14 + numbers,
    height: bottom + 2 * LINE + 10,
    body: [
      ...ticks,
      ...rows,
      label(left + barWidth / 2, bottom + 34, visibleText(props.valueLabel), {
        'text-anchor': 'middle',
        'fill-opacity': 0.7,
      }),
    ],
  })
}

function drawnBar(bar: Bar, row: number, x: (value: number) => number): Markup[] {
  if (!isPresent(bar.value)) return []
  const sign = bar.value < 0 ? 'negative' : 'positive'
  const from = x(Math.min(0, bar.value))
  const shapes = [
    element('rect', {
      x: from,
      y: row * PITCH + 3,
      width: x(Math.max(0, bar.value)) - from,
      height: PITCH - 6,
      ...themed('fill', sign, signColors[sign]),
    }),
  ]
  if (isPresent(bar.low) && isPresent(bar.high)) {
    const middle = row * PITCH + PITCH / 2
    const [low, high] = [round(x(bar.low)), round(x(bar.high))]
    const d = `M${low} ${middle}H${high}M${low} ${middle - 3.5}v7M${high} ${middle - 3.5}v7`
    shapes.push(element('path', { d, stroke: 'currentColor', 'stroke-width': 1.3, fill: 'none' }))
  }
  return shapes
}

function hoverText(props: BarListProps, bar: Bar): string[] {
  const interval =
    isPresent(bar.low) && isPresent(bar.high) ? [`interval: ${hoverValue(bar.low)} to ${hoverValue(bar.high)}`] : []
  return [visibleLabel(bar.label), `${props.valueLabel}: ${hoverValue(bar.value)}`, ...interval]
}

function text(props: BarListProps, options: TextOptions): string[] {
  const { unicode } = options
  const width = columnsOf(options)
  const format = commonFormat(props.bars.map((bar) => bar.value))
  const labels = props.bars.map((bar) => visibleLabel(bar.label, unicode))
  const left = Math.min(Math.max(0, ...labels.map(displayWidth)), Math.floor(width * 0.4))
  const numbers = props.bars.map((bar) => {
    const interval = isPresent(bar.low) && isPresent(bar.high) ? ` [${format(bar.low)}, ${format(bar.high)}]` : ''
    return (isPresent(bar.value) ? format(bar.value) : '-') + interval
  })
  const numberWidth = Math.min(Math.max(0, ...numbers.map((number) => number.length)), width - left - 1)
  const room = width - left - numberWidth - 2
  const line = barAxis(props)
  const rows = props.bars.map((bar, row) => {
    const head = `${pad(truncate(labels[row]!, left, unicode), left)} ${pad(truncate(numbers[row]!, numberWidth, unicode), numberWidth, 'right')}`
    // Bars of fewer than 6 columns say nothing that the number does not.
    return room < 6 ? head : `${head} ${barText(bar.value, line, room, options)}`
  })
  return [
    ...titleLines(props.title, options),
    ...rows.map((row) => row.trimEnd()),
    ...noteLines(props.valueLabel, options),
  ]
}

/** A bar in half columns around a zero line. */
function barText(value: Value, line: Axis, room: number, options: TextOptions): string {
  const rule = options.unicode ? '│' : '|'
  const zero = Math.round(line.position(0) * (room - 1))
  const span = room - 1
  if (!isPresent(value)) return ' '.repeat(zero) + rule
  const halves = Math.round(Math.abs(line.position(value) - line.position(0)) * span * 2)
  const full = (options.unicode ? '█' : '#').repeat(Math.floor(halves / 2))
  const rest = options.unicode && halves % 2 === 1 ? (value < 0 ? '▐' : '▌') : ''
  const limit = value < 0 ? zero : span - zero
  const cells = value < 0 ? (rest + full).slice(-limit || undefined) : (full + rest).slice(0, limit)
  const drawn = inColor(limit === 0 ? '' : cells, value < 0 ? signColors.negative : signColors.positive, options)
  return value < 0
    ? `${' '.repeat(zero - Math.min(limit, cells.length))}${drawn}${rule}`
    : `${' '.repeat(zero)}${rule}${drawn}`
}

function table(props: BarListProps): Table {
  const intervals = props.bars.some((bar) => bar.low !== undefined || bar.high !== undefined)
  return {
    columns: ['label', props.valueLabel, ...(intervals ? ['low', 'high'] : [])],
    rows: props.bars.map((bar) => [bar.label, bar.value, ...(intervals ? [bar.low ?? null, bar.high ?? null] : [])]),
  }
}

function barAxis(props: BarListProps): Axis {
  return axis('linear', [0, ...props.bars.flatMap((bar) => [bar.value, bar.low ?? null, bar.high ?? null])])
}
