/** Where the boxes and lines of a layered graph go: long edges pass between the boxes of the levels that they cross. */

import type { CircuitGraphProps } from './circuit-graph.ts'

/** A point of a picture, in pixels. */
interface Point {
  readonly x: number
  readonly y: number
}

/** A laid out graph. */
export interface CircuitLayout {
  readonly width: number
  readonly height: number
  /** The centre of every node. */
  readonly nodes: readonly Point[]
  /** The points that every link goes through, from its sender up to its receiver. */
  readonly links: readonly (readonly Point[])[]
  /** The levels that have nodes, with their height. */
  readonly levels: readonly { readonly level: number; readonly y: number }[]
}

/** What stands in a row: a node, or a link that passes. */
interface Place {
  readonly node: number | null
  readonly row: number
  readonly width: number
  x: number
  readonly neighbours: Place[]
}

/** Height of a node, and the distance of two rows. */
export const NODE_HEIGHT = 24
const ROW = 74
const GAP = 18
/** Room for a line that passes between nodes. */
const LINE_WIDTH = 8
const ROUNDS = 12

/** Lays out a graph: one row per level that has nodes, the lowest level at the bottom; rows are ordered by where their neighbours are. */
export function circuitLayout(
  { nodes, links }: Pick<CircuitGraphProps, 'nodes' | 'links'>,
  widths: readonly number[],
): CircuitLayout {
  const levels = [...new Set(nodes.map(({ level }) => level))].sort((a, b) => a - b)
  const rowOf = (node: number) => levels.indexOf(nodes[node]!.level)
  const rows: Place[][] = levels.map(() => [])
  const put = (node: number | null, row: number, width: number): Place => {
    const place = { node, row, width, x: 0, neighbours: [] }
    rows[row]!.push(place)
    return place
  }
  const places = nodes.map((_, node) => put(node, rowOf(node), widths[node]!))
  const chains = links.map(({ from, to }) => {
    const passed = Array.from({ length: rowOf(to) - rowOf(from) - 1 }, (_, i) =>
      put(null, rowOf(from) + 1 + i, LINE_WIDTH),
    )
    const chain = [places[from]!, ...passed, places[to]!]
    chain.slice(1).forEach((place, i) => {
      place.neighbours.push(chain[i]!)
      chain[i]!.neighbours.push(place)
    })
    return chain
  })
  for (const row of rows) settle(row)
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 === 0 ? rows : rows.toReversed()
    for (const row of order) {
      const wanted = new Map(row.map((place) => [place, centreOf(place)]))
      row.sort((a, b) => wanted.get(a)! - wanted.get(b)!)
      for (const place of row) place.x = wanted.get(place)!
      settle(row)
    }
  }
  const all = rows.flat()
  const left = Math.min(...all.map(({ x, width }) => x - width / 2))
  const right = Math.max(...all.map(({ x, width }) => x + width / 2))
  const height = levels.length * ROW
  const pointOf = ({ x, row }: Place): Point => ({ x: x - left, y: height - row * ROW - ROW / 2 })
  return {
    width: right - left,
    height,
    nodes: places.map(pointOf),
    links: chains.map((chain) => chain.map(pointOf)),
    levels: levels.map((level, row) => ({ level, y: height - row * ROW - ROW / 2 })),
  }
}

/** The mean of where a place's neighbours are; where it is when it has none. */
function centreOf({ x, neighbours }: Place): number {
  return neighbours.length === 0 ? x : neighbours.reduce((sum, place) => sum + place.x, 0) / neighbours.length
}

/** Moves the places of a row apart until none overlaps, as little as their order allows, and the row back to its middle. */
function settle(row: readonly Place[]): void {
  const wanted = row.map(({ x }) => x)
  row.forEach((place, i) => {
    const before = row[i - 1]
    if (before) place.x = Math.max(place.x, before.x + (before.width + place.width) / 2 + GAP)
  })
  const shift = row.reduce((sum, { x }, i) => sum + wanted[i]! - x, 0) / Math.max(1, row.length)
  for (const place of row) place.x += shift
}
