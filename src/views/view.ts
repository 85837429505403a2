/** What every view is: one kind of props, drawn as SVG, as terminal lines, as a live element and as a table. */

import { DiopterError } from '../errors/index.ts'
import { type Interactive, type Mounted, mountSvg } from './mount.ts'
import type { Table } from './table.ts'
import type { TextOptions } from './terminal.ts'

/** One way to picture a result. Props are plain JSON. */
export interface View<Props> {
  /** A self-contained SVG document; hovers are `<title>` elements. Throws where the props do not fit together. */
  svg(props: Props): string
  /** Lines for a terminal, none wider than `options.width`. Throws where the props do not fit together. */
  text(props: Props, options: TextOptions): string[]
  /** Every number of the picture, unrounded. */
  table(props: Props): Table
  /** The picture as a live part of a page: hover, keyboard, selection. */
  mount(element: HTMLElement, props: Props & Interactive): Mounted<Props & Interactive>
}

/** A view from its drawings; `mount` follows from the SVG's marks. */
export function defineView<Props>(drawings: Omit<View<Props>, 'mount'>): View<Props> {
  return { ...drawings, mount: (element, props) => mountSvg(element, drawings.svg, props) }
}

/** Throws unless `rows` is `rowCount` rows of `columnCount` entries each. */
export function assertGrid(
  what: string,
  rows: readonly (readonly unknown[])[],
  rowCount: number,
  columnCount: number,
): void {
  const wrong = rows.findIndex((row) => row.length !== columnCount)
  if (rows.length === rowCount && wrong === -1) return
  const found = wrong === -1 ? `${rows.length} rows` : `${rows[wrong]!.length} entries in row ${wrong}`
  throw new DiopterError(
    `${what} should be ${rowCount} rows of ${columnCount} entries, one per row and column label, but there are ${found}.`,
  )
}

/** Throws unless `list` has `count` entries. */
export function assertLength(what: string, list: readonly unknown[], count: number): void {
  if (list.length !== count) throw new DiopterError(`${what} should have ${count} entries but has ${list.length}.`)
}
