import type { Place, Places } from '../place.ts'

/** A mark of a live view that was pointed at or chosen. */
export interface Selection {
  readonly row: number
  readonly column: number
  /** The mark's exact value; null where it is absent. */
  readonly value: number | null
  /** The hover text: labels and value. */
  readonly label: string
  /** What the mark stands for, by the `places` that the view was given; empty without. */
  readonly place: Place
}

/** What a mounted view takes beside its props. */
export interface Interactive {
  /** Called when a mark is clicked, or Enter or Space is pressed on it. */
  readonly onSelect?: ((selection: Selection) => void) | undefined
  /** Called when another mark is pointed at or focused; null when none is any more. */
  readonly onHover?: ((selection: Selection | null) => void) | undefined
  /** Called when Escape is pressed: nothing should be selected any more. */
  readonly onClear?: (() => void) | undefined
  /** What rows and columns stand for. */
  readonly places?: Places | undefined
  /**
   * The place whose marks are outlined, `{}` for none. Unless it is given, the mark that was chosen last is outlined.
   * An update that changes no more than this does not draw the picture again.
   */
  readonly selected?: Place | undefined
}

/** A live view. */
export interface Mounted<Props> {
  /** Draws new props in place; focus, scrolling and selection stay at their row and column. */
  update(props: Props): void
  /** Empties the element and takes every listener away. */
  destroy(): void
}
