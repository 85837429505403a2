/** What every view is: one kind of props, drawn as SVG, as terminal lines, as a live element and as a table. */

import { DiopterError } from '../errors/index.ts'
import { gridSvg } from './grid.ts'
import type { GridPicture } from './grid-picture.ts'
import type { Interactive, Mounted } from './live/interactive.ts'
import { type LiveDrawings, mountLive } from './live/mount.ts'
import type { Table } from './table.ts'
import type { TextOptions } from './terminal.ts'

/** One way to picture a result. Props are plain JSON; large arrays of numbers may also be typed arrays. */
export interface View<Props> {
  /**
   * A self-contained SVG document; hovers are `<title>` elements, except where cells are too many for an element each.
   * `width` is what a picture that wraps like text may take, in pixels. Throws where the props do not fit together.
   */
  svg(props: Props, width?: number): string
  /** Lines for a terminal, none wider than `options.width`. Throws where the props do not fit together. */
  text(props: Props, options: TextOptions): string[]
  /** Every number of the picture, unrounded. */
  table(props: Props): Table
  /** The picture as a live part of a page: hover, keyboard, selection. */
  mount(element: HTMLElement, props: Props & Interactive): Mounted<Props & Interactive>
}

/** A view from its drawings; `mount` follows from the SVG's marks. */
export function defineView<Props extends object>(
  drawings: Omit<View<Props>, 'mount'> & LiveDrawings<Props>,
): View<Props> {
  return { ...drawings, mount: (element, props) => mountLive(element, drawings, props) }
}

/** A view that is a grid: its SVG, and its canvas where cells are many, are drawn from one description. */
export function defineGridView<Props extends object>(
  drawings: Pick<View<Props>, 'text' | 'table'> & { grid(props: Props): GridPicture },
): View<Props> {
  return defineView({ ...drawings, svg: (props) => gridSvg(drawings.grid(props)) })
}

/** Throws unless `list` has `count` entries. */
export function assertLength(what: string, list: readonly unknown[], count: number): void {
  if (list.length !== count) throw new DiopterError(`${what} should have ${count} entries but has ${list.length}.`)
}
