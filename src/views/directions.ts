/** Directions in a plane as rays from a common origin, one panel beside the other: features of models with two dimensions. */

import { DiopterError } from '../errors/index.ts'
import { seriesColors } from './colors.ts'
import { pad, truncate, visibleLabel, visibleText } from './labels.ts'
import { formatNumber, hoverValue } from './scales.ts'
import { document, element, fitText, LINE, label, type Markup, mark, round, themed } from './svg.ts'
import type { Table } from './table.ts'
import { columnsOf, inColor, noteLines, type TextOptions, titleLines } from './terminal.ts'
import { defineView } from './view.ts'

/** One ray: its end, seen from the origin. */
export interface PlanarDirection {
  readonly label: string
  readonly x: number
  readonly y: number
}

/** Directions that belong together. */
export interface DirectionPanel {
  readonly name: string
  readonly directions: readonly PlanarDirection[]
}

/** Props of the view `directions`. */
export interface DirectionsProps {
  readonly title: string
  /** Drawn from the left in this order, all on one scale. */
  readonly panels: readonly DirectionPanel[]
}

const SIDE = 170
const GAP = 18
const PANELS_PER_ROW = 5

/** Rays from an origin, panel by panel, with the unit circle. Throws where a coordinate is not a finite number. */
export const directions = defineView<DirectionsProps>({ svg, text, table })

function svg(props: DirectionsProps): string {
  const reach = 1.08 * longest(props)
  const rows = Math.ceil(props.panels.length / PANELS_PER_ROW)
  const pitch = SIDE + LINE + GAP
  const body = props.panels.flatMap((panel, index) => {
    const [row, column] = [Math.floor(index / PANELS_PER_ROW), index % PANELS_PER_ROW]
    return drawnPanel(panel, index, column * (SIDE + GAP), row * pitch, reach)
  })
  const width = Math.max(1, Math.min(props.panels.length, PANELS_PER_ROW)) * (SIDE + GAP) - GAP
  return document({ title: props.title, width, height: rows * pitch, body })
}

function drawnPanel(panel: DirectionPanel, index: number, left: number, top: number, reach: number): Markup[] {
  const toX = (x: number) => round(left + SIDE / 2 + (x / reach) * (SIDE / 2))
  const toY = (y: number) => round(top + LINE + SIDE / 2 - (y / reach) * (SIDE / 2))
  const faint = { fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.2 }
  const [centerX, centerY] = [toX(0), toY(0)]
  return [
    label(left + SIDE / 2, top + 9, fitText(visibleText(panel.name), SIDE), { 'text-anchor': 'middle' }),
    element('circle', { cx: centerX, cy: centerY, r: SIDE / 2 / reach, ...faint }),
    element('path', { d: `M${left} ${centerY}h${SIDE}M${centerX} ${top + LINE}v${SIDE}`, ...faint }),
    ...panel.directions.flatMap((direction, i) => {
      const [x, y] = [toX(direction.x), toY(direction.y)]
      const color = colorOf(i)
      const name = `series-${(i % seriesColors.length) + 1}`
      return [
        element('path', { d: `M${centerX} ${centerY}L${x} ${y}`, 'stroke-width': 2, ...themed('stroke', name, color) }),
        element('circle', { cx: x, cy: y, r: 3.5, ...themed('fill', name, color) }),
        mark(
          'circle',
          { cx: x, cy: y, r: 7, fill: 'none' },
          { row: index, column: i, value: Math.hypot(direction.x, direction.y), hover: hoverText(panel, direction) },
        ),
      ]
    }),
  ]
}

function hoverText({ name }: DirectionPanel, direction: PlanarDirection): string[] {
  return [
    visibleText(name),
    visibleLabel(direction.label),
    `x: ${hoverValue(direction.x)}, y: ${hoverValue(direction.y)}`,
    `length: ${hoverValue(Math.hypot(direction.x, direction.y))}, angle: ${hoverValue(degrees(direction))} degrees`,
  ]
}

function text(props: DirectionsProps, options: TextOptions): string[] {
  longest(props)
  const width = columnsOf(options)
  const rows = props.panels.flatMap((panel) => [
    ...noteLines(panel.name, options),
    ...panel.directions.map((direction, i) => {
      const name = truncate(visibleLabel(direction.label, options.unicode), Math.floor(width / 4), options.unicode)
      const numbers = `length ${formatNumber(Math.hypot(direction.x, direction.y))}, ${formatNumber(degrees(direction))} degrees`
      const line = truncate(`${pad(name, Math.floor(width / 4))} ${numbers}`, width, options.unicode)
      return inColor(line, colorOf(i), options)
    }),
  ])
  return [...titleLines(props.title, options), ...rows]
}

function table(props: DirectionsProps): Table {
  longest(props)
  return {
    columns: ['panel', 'label', 'x', 'y'],
    rows: props.panels.flatMap(({ name, directions }) => directions.map(({ label, x, y }) => [name, label, x, y])),
  }
}

/** The length that fits all panels: of the longest direction, or 1, that of the circle. */
function longest({ panels }: DirectionsProps): number {
  const lengths = panels.flatMap(({ name, directions }) =>
    directions.map(({ label, x, y }) => {
      if (Number.isFinite(x) && Number.isFinite(y)) return Math.hypot(x, y)
      throw new DiopterError(`The direction '${label}' of '${name}' ends at (${x}, ${y}): give two finite numbers.`)
    }),
  )
  return Math.max(1, ...lengths)
}

const degrees = ({ x, y }: PlanarDirection) => (Math.atan2(y, x) * 180) / Math.PI

const colorOf = (index: number) => seriesColors[index % seriesColors.length]!
