/** A circuit as a layered graph: what writes below, what reads above, lines as thick as what they carry. */

import { DiopterError } from '../errors/index.ts'
import { circuitLayout, NODE_HEIGHT } from './circuit-layout.ts'
import { signColors } from './colors.ts'
import { pad, truncate, visibleLabel, visibleText } from './labels.ts'
import { commonFormat, exactValue, hoverValue, isPresent, type Value } from './scales.ts'
import { document, element, fitText, LINE, label, mark, round, textWidth, themed } from './svg.ts'
import type { Table } from './table.ts'
import { columnsOf, inColor, noteLines, type TextOptions, titleLines } from './terminal.ts'
import { assertLength, defineView } from './view.ts'

/** A part of a model. */
export interface CircuitNode {
  readonly name: string
  /** Its level, from the input up. */
  readonly level: number
}

/** What one part passes to another. */
export interface CircuitLink {
  /** Its ends among the nodes, the lower level first. */
  readonly from: number
  readonly to: number
  /** How it is read, such as `q`, `k` or `v`; nothing where there is one way. */
  readonly port?: string
  /** How much it carries, with its sign; null where that is not known. */
  readonly value: Value
  /** Other numbers about it, as many as `otherLabels`. */
  readonly others?: readonly Value[]
}

/** Props of the view `circuitGraph`. */
export interface CircuitGraphProps {
  readonly title: string
  /** Names of the levels, from the input up. */
  readonly levels: readonly string[]
  readonly nodes: readonly CircuitNode[]
  readonly links: readonly CircuitLink[]
  /** What the links' values are, with their unit. */
  readonly valueLabel: string
  readonly otherLabels?: readonly string[]
}

/** Lines beyond these are in the table only: the picture shows the largest. */
const MOST_DRAWN = 40

/** A layered graph, read from below: the 40 links of the largest size. Throws where a link does not lead from a node to one of a higher level. */
export const circuitGraph = defineView<CircuitGraphProps>({ svg, text, table })

const WIDEST_NAME = 150
const NARROWEST = 34
const THINNEST = 1.2
const THICKEST = 7

function svg(props: CircuitGraphProps): string {
  requireLinks(props)
  const shown = drawnPart(props)
  const names = props.nodes.map(({ name }) => fitText(visibleLabel(name), WIDEST_NAME))
  const widths = names.map((name) => Math.max(NARROWEST, textWidth(name) + 16))
  const layout = circuitLayout(
    {
      nodes: shown.nodes.map((i) => props.nodes[i]!),
      links: shown.links.map((i) => ({
        ...props.links[i]!,
        from: shown.nodes.indexOf(props.links[i]!.from),
        to: shown.nodes.indexOf(props.links[i]!.to),
      })),
    },
    shown.nodes.map((i) => widths[i]!),
  )
  const levelNames = layout.levels.map(({ level }) => fitText(visibleText(props.levels[level]!), 110))
  const left = Math.max(0, ...levelNames.map((name) => textWidth(name))) + 16
  const most = Math.max(...props.links.map(({ value }) => (isPresent(value) ? Math.abs(value) : 0)))
  const ports = portsOf(
    props.nodes.length,
    shown.links.map((i) => props.links[i]!),
  )
  const linkShapes = shown.links.flatMap((i, at) => {
    const link = props.links[i]!
    const points = layout.links[at]!
    const [first, last] = [points[0]!, points.at(-1)!]
    const own = ports[link.to]!
    const slot = link.port === undefined ? 0 : (own.indexOf(link.port) + 1) / (own.length + 1) - 0.5
    const ends = [
      { x: left + first.x, y: first.y - NODE_HEIGHT / 2 },
      ...points.slice(1, -1).map(({ x, y }) => ({ x: left + x, y })),
      { x: left + last.x + slot * widths[link.to]!, y: last.y + NODE_HEIGHT / 2 + (own.length > 0 ? 9 : 0) },
    ]
    const d = smooth(ends)
    const share = isPresent(link.value) && most > 0 ? Math.abs(link.value) / most : 0
    const thickness = THINNEST + share * (THICKEST - THINNEST)
    const sign = isPresent(link.value) && link.value < 0 ? 'negative' : 'positive'
    const color = isPresent(link.value)
      ? themed('stroke', sign, signColors[sign])
      : { stroke: 'currentColor', 'stroke-opacity': 0.4 }
    return [
      element('path', { d, fill: 'none', 'stroke-width': thickness, 'stroke-linecap': 'round', ...color }),
      mark(
        'path',
        { d, fill: 'none', stroke: 'transparent', 'stroke-width': thickness + 6, 'pointer-events': 'stroke' },
        { row: props.nodes.length + i, column: 0, value: link.value, hover: linkHover(props, link) },
      ),
    ]
  })
  const nodeShapes = shown.nodes.flatMap((i, at) => {
    const node = props.nodes[i]!
    const { x, y } = layout.nodes[at]!
    const box = { x: left + x - widths[i]! / 2, y: y - NODE_HEIGHT / 2, width: widths[i]!, height: NODE_HEIGHT, rx: 5 }
    return [
      element('rect', { ...box, fill: 'Canvas', stroke: 'currentColor', 'stroke-opacity': 0.6 }),
      label(left + x, y + 4, names[i]!, { 'text-anchor': 'middle' }),
      ...ports[i]!.map((port, p) =>
        label(
          left + x + ((p + 1) / (ports[i]!.length + 1) - 0.5) * widths[i]!,
          y + NODE_HEIGHT / 2 + 8,
          fitText(visibleLabel(port), 20),
          { 'text-anchor': 'middle', 'font-size': 9, 'fill-opacity': 0.8 },
        ),
      ),
      mark('rect', { ...box, fill: 'none' }, { row: i, column: 0, value: null, hover: nodeHover(props, node, i) }),
    ]
  })
  const levelLines = layout.levels.flatMap(({ y }, i) => [
    element('path', {
      d: `M${left} ${round(y)}h${round(layout.width)}`,
      stroke: 'currentColor',
      'stroke-opacity': 0.08,
    }),
    label(0, y + 4, levelNames[i]!, { 'fill-opacity': 0.7 }),
  ])
  const note = `Read upwards. Line: ${props.valueLabel}; blue positive, orange negative, at most ${formatted(props)(most)}${shown.links.length < props.links.length ? `. The ${shown.links.length} largest of ${props.links.length} edges.` : ''}`
  return document({
    title: props.title,
    width: Math.max(left + layout.width, textWidth(note)),
    height: layout.height + 2 * LINE,
    body: [
      ...levelLines,
      ...linkShapes,
      ...nodeShapes,
      label(0, layout.height + LINE, visibleText(note), { 'fill-opacity': 0.7 }),
    ],
  })
}

/** The links that are drawn, and the nodes that they connect (all nodes where all links are drawn), in the order of the props. */
function drawnPart({ nodes, links }: CircuitGraphProps): { nodes: number[]; links: number[] } {
  const size = (i: number) => Math.abs(links[i]!.value ?? 0)
  const order = links.map((_, i) => i)
  if (links.length <= MOST_DRAWN) return { nodes: nodes.map((_, i) => i), links: order }
  const kept = order
    .sort((a, b) => size(b) - size(a) || a - b)
    .slice(0, MOST_DRAWN)
    .sort((a, b) => a - b)
  const ends = new Set(kept.flatMap((i) => [links[i]!.from, links[i]!.to]))
  return { nodes: nodes.flatMap((_, i) => (ends.has(i) ? [i] : [])), links: kept }
}

/** The ways in which every node is read by links that say so. */
function portsOf(nodes: number, links: readonly CircuitLink[]): string[][] {
  return Array.from({ length: nodes }, (_, node) => {
    const own = links.flatMap(({ to, port }) => (to === node && port !== undefined ? [port] : []))
    const order = (port: string) => 'qkv'.indexOf(port)
    return [...new Set(own)].sort((a, b) => order(a) - order(b))
  })
}

/** A line through points from the bottom up, upright in each of them. */
function smooth(points: readonly { readonly x: number; readonly y: number }[]): string {
  const at = ({ x, y }: { readonly x: number; readonly y: number }) => `${round(x)} ${round(y)}`
  return points
    .map((point, i) => {
      const before = points[i - 1]
      if (!before) return `M${at(point)}`
      const middle = (before.y + point.y) / 2
      return `C${at({ x: before.x, y: middle })} ${at({ x: point.x, y: middle })} ${at(point)}`
    })
    .join('')
}

const linkName = ({ nodes }: CircuitGraphProps, { from, to, port }: CircuitLink): string =>
  `${visibleLabel(nodes[from]!.name)} -> ${visibleLabel(nodes[to]!.name)}${port === undefined ? '' : `.${visibleLabel(port)}`}`

function linkHover(props: CircuitGraphProps, link: CircuitLink): string[] {
  const others = (props.otherLabels ?? []).map((name, i) => `${name}: ${hoverValue(link.others?.[i])}`)
  return [linkName(props, link), `${props.valueLabel}: ${exactValue(link.value)}`, ...others]
}

function nodeHover({ levels, links }: CircuitGraphProps, { name, level }: CircuitNode, node: number): string[] {
  const [read, written] = [links.filter(({ to }) => to === node), links.filter(({ from }) => from === node)]
  return [
    visibleLabel(name),
    visibleText(levels[level]!),
    `reads along ${read.length} edges, is read along ${written.length}`,
  ]
}

function text(props: CircuitGraphProps, options: TextOptions): string[] {
  requireLinks(props)
  const width = columnsOf(options)
  const format = formatted(props)
  const name = (node: number) => visibleLabel(props.nodes[node]!.name, options.unicode)
  const sides = props.links.map((link) => {
    const port = link.port === undefined ? '' : `.${visibleLabel(link.port, options.unicode)}`
    return { link, to: `${name(link.to)}${port}`, from: name(link.from) }
  })
  const level = ({ link }: (typeof sides)[number]) => props.nodes[link.to]!.level
  const sorted = [...sides].sort((a, b) => level(b) - level(a) || a.link.to - b.link.to)
  const column = Math.floor((width - 14) / 2)
  const cut = (side: string) => truncate(side, Math.max(3, column), options.unicode)
  const widest = (side: 'to' | 'from') => Math.max(0, ...sides.map((one) => cut(one[side]).length))
  const rows = sorted.map(({ link, to, from }) => {
    const number = isPresent(link.value) ? format(link.value) : '-'
    const color = isPresent(link.value) ? signColors[link.value < 0 ? 'negative' : 'positive'] : undefined
    const line = `${pad(cut(to), widest('to'))} <- ${pad(cut(from), widest('from'))} ${number}`
    return inColor(truncate(line, width, options.unicode).trimEnd(), color, options)
  })
  return [...titleLines(props.title, options), ...rows, ...noteLines(props.valueLabel, options)]
}

function table(props: CircuitGraphProps): Table {
  requireLinks(props)
  const { nodes, links, valueLabel, otherLabels = [] } = props
  return {
    columns: ['from', 'to', 'read as', valueLabel, ...otherLabels],
    rows: links.map(({ from, to, port, value, others = [] }) => [
      nodes[from]!.name,
      nodes[to]!.name,
      port ?? null,
      value,
      ...otherLabels.map((_, i) => others[i] ?? null),
    ]),
  }
}

const formatted = ({ links }: CircuitGraphProps) => commonFormat(links.map(({ value }) => value))

function requireLinks({ nodes, links, levels, otherLabels = [] }: CircuitGraphProps): void {
  for (const { name, level } of nodes)
    if (levels[level] === undefined)
      throw new DiopterError(
        `The node '${name}' is on level ${level}; there are ${levels.length} (0..${levels.length - 1}).`,
      )
  links.forEach(({ from, to, others }, i) => {
    const [low, high] = [nodes[from], nodes[to]]
    if (!low || !high || low.level >= high.level)
      throw new DiopterError(
        `Link ${i} leads from node ${from} to node ${to}; it should lead from one of the ${nodes.length} nodes to one of a higher level.`,
      )
    if (others) assertLength(`The other numbers of link ${i}`, others, otherLabels.length)
  })
}
