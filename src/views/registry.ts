/** All views by name: a new view is one file and one row here. */

import { DiopterError, nearMatches } from '../errors/index.ts'
import { attention } from './attention.ts'
import { attentionHeads } from './attention-heads.ts'
import { barList } from './bar-list.ts'
import { checksList } from './checks-list.ts'
import { curves } from './curves.ts'
import { directions } from './directions.ts'
import { heatMap } from './heat-map.ts'
import { lensGrid } from './lens-grid.ts'
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
  lensGrid,
  barList,
  curves,
  directions,
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

/** A view's static SVG document. Throws for an unknown view or props that do not fit together. */
export function renderSvg<Name extends ViewName>(view: Name, props: PropsOf<Name>): string {
  return viewOf(view).svg(props)
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
