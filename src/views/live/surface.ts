/** What a live picture is drawn on, as the one that follows pointer and keyboard sees it. */

import type { Place, Places } from '../place.ts'
import type { Value } from '../scales.ts'

/** A mark's row and column. */
export interface Mark {
  readonly row: number
  readonly column: number
}

/** A drawn picture: where its marks are and what they say. */
export interface Surface {
  readonly node: HTMLElement
  /** The mark under the pointer. */
  markAt(event: Event): Mark | undefined
  /** The mark that has the keyboard's focus. */
  focused(): Mark | undefined
  /** The mark that a key leads to. */
  target(from: Mark, key: string): Mark | undefined
  describe(mark: Mark): { readonly value: Value; readonly label: string }
  /** Where a mark is in the window. */
  box(mark: Mark): DOMRect
  /** Gives a mark the keyboard's focus and brings it into sight. */
  focus(mark: Mark): void
  /** Shows which mark is pointed at. */
  point(mark: Mark | undefined): void
  /** Outlines the chosen marks; none where all are, which would single out nothing. */
  outline(chosen: Chosen): void
}

/** Whether the mark at a place is chosen; of two numbers, so that asking for every cell of a grid makes no objects. */
export type Chosen = (row: number, column: number) => boolean

/** Whether two marks are the same. */
export function sameMark(a: Mark | undefined, b: Mark | undefined): boolean {
  return a?.row === b?.row && a?.column === b?.column
}

/** `isAt` of `placeAt` for the marks of a picture; where its rows name layers, the one of no layer (the embedding) is at none. */
export function placeTest(places: Places | undefined, selected: Place): Chosen {
  const wanted = (Object.keys(selected) as (keyof Place)[]).filter((key) => selected[key] !== undefined)
  const named = (list: readonly Place[] | undefined, key: keyof Place) =>
    list?.some((place) => place[key] !== undefined) ?? false
  const needed = new Set(wanted.filter((key) => named(places?.rows, key) || named(places?.columns, key)))
  return (row, column) => {
    let common = false
    for (const key of wanted) {
      const own = places?.columns?.[column]?.[key] ?? places?.rows?.[row]?.[key] ?? places?.all?.[key]
      if (own === undefined && !needed.has(key)) continue
      if (own !== selected[key]) return false
      common = true
    }
    return common
  }
}
