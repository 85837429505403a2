/** All views by name: a new view is one file and one row here. */

import { DiopterError, nearMatches } from '../errors/index.ts'
import { attention } from './attention.ts'
import { attentionHeads } from './attention-heads.ts'
import { attentionTokens } from './attention-tokens.ts'
import { barList } from './bar-list.ts'
import { checksList } from './checks-list.ts'
import { circuitGraph } from './circuit-graph.ts'
import { curves } from './curves.ts'
import { directions } from './directions.ts'
import { heatMap } from './heat-map.ts'
import { lensGrid } from './lens-grid.ts'
import type { Interactive } from './live/interactive.ts'
import type { Places } from './place.ts'
import type { Table } from './table.ts'
import type { TextOptions } from './terminal.ts'
import { tokenStrip } from './token-strip.ts'
import type { View } from './view.ts'

/** The table of views. */
export const views = {
  heatMap,
  tokenStrip,
  attention,
  attentionHeads,
  attentionTokens,
  lensGrid,
  barList,
  curves,
  directions,
  circuitGraph,
  checksList,
} as const

/** The name of a view. */
export type ViewName = keyof typeof views

/** The props of a view. */
export type PropsOf<Name extends ViewName> = (typeof views)[Name] extends View<infer Props> ? Props : never

/** A picture as data: plain JSON that any of the renderers draws. */
export type ViewSpec = {
  [Name in ViewName]: {
    readonly view: Name
    readonly props: PropsOf<Name>
    /** What its rows and columns stand for, where that is a part of the model or the prompt. */
    readonly places?: Places
  }
}[ViewName]

/** A picture that is live in a page, whatever its view. */
export interface MountedView {
  /** Draws another picture in place, or other interaction with the same one; another view starts anew. */
  update(spec: ViewSpec, interactive?: Interactive): void
  /** Empties the element and takes every listener away. */
  destroy(): void
}

/**
 * Makes a picture live in `element`: `mount` of its view, its places included. Throws for an unknown view or props that
 * do not fit together.
 */
export function mountView(element: HTMLElement, spec: ViewSpec, interactive: Interactive = {}): MountedView {
  const liveProps = ({ props, places }: ViewSpec, given: Interactive) => ({ ...props, places, ...given })
  const start = (shown: ViewSpec, given: Interactive) => {
    // The spec pairs the view with its own props; TypeScript cannot follow that through the table.
    const view = viewOf(shown.view) as unknown as View<object>
    return view.mount(element, liveProps(shown, given))
  }
  let name = spec.view
  let mounted = start(spec, interactive)
  return {
    update(next, given = {}) {
      if (next.view === name) return mounted.update(liveProps(next, given))
      mounted.destroy()
      name = next.view
      mounted = start(next, given)
    },
    destroy: () => mounted.destroy(),
  }
}

/** A view's static SVG document; `width` is what one that wraps like text may take, in pixels. Throws for an unknown view or props that do not fit together. */
export function renderSvg<Name extends ViewName>(view: Name, props: PropsOf<Name>, width?: number): string {
  return viewOf(view).svg(props, width)
}

/** A view's terminal lines. Throws for an unknown view or props that do not fit together. */
export function renderText<Name extends ViewName>(view: Name, props: PropsOf<Name>, options: TextOptions): string[] {
  return viewOf(view).text(props, options)
}

/** The numbers behind a view. Throws for an unknown view or props that do not fit together. */
export function viewTable<Name extends ViewName>(view: Name, props: PropsOf<Name>): Table {
  return viewOf(view).table(props)
}

function viewOf<Name extends ViewName>(name: Name): View<PropsOf<Name>> {
  if (!Object.hasOwn(views, name)) {
    throw new DiopterError(
      `There is no view "${name}". Nearest: ${nearMatches(name, Object.keys(views), 3).join(', ')}.`,
    )
  }
  // One table of differently typed rows: the name ties the props to the row.
  return views[name] as unknown as View<PropsOf<Name>>
}
