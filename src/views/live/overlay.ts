/** Frames over a canvas: the focused cell, the one that is pointed at, the chosen ones. Moving them draws nothing again. */

import type { GridLayout } from '../grid-picture.ts'
import { type Block, chosenBlocks } from './rectangles.ts'
import type { Chosen, Mark } from './surface.ts'

/** The frames of one canvas. */
export interface Overlay {
  readonly node: HTMLElement
  layOut(layout: GridLayout): void
  /** Moves the grid's one cell element to a mark, shown or not. */
  focus(mark: Mark, label: string, shown: boolean): void
  /** Scrolls the focused cell into sight. */
  reveal(): void
  point(mark: Mark | undefined): void
  outline(size: { readonly count: number; readonly columns: number }, chosen: Chosen): void
}

const FRAME = 'position:absolute;pointer-events:none;box-sizing:border-box;'
// Two contrasting lines: one of them is seen on any colour.
const HOVER = `${FRAME}border:1px solid CanvasText;outline:1px solid Canvas`
const FOCUS = `${FRAME}border:2px solid var(--diopter-focus,Highlight);outline:2px solid Canvas`
const CHOSEN = `${FRAME}border:2px solid var(--diopter-selected,CanvasText);outline:2px solid Canvas`

/** Frames that lie nowhere yet. */
export function createOverlay(page: Document): Overlay {
  const node = page.createElement('div')
  node.setAttribute('role', 'row')
  const cell = page.createElement('div')
  cell.setAttribute('role', 'gridcell')
  cell.style.cssText = FOCUS
  const hover = page.createElement('div')
  hover.style.cssText = HOVER
  hover.hidden = true
  node.append(cell, hover)

  let layout: GridLayout | undefined
  let frames: HTMLElement[] = []

  const place = (frame: HTMLElement, { row, column, rows, columns }: Block, margin: number) => {
    if (!layout) return
    const { cellWidth, cellHeight } = layout
    frame.style.left = `${column * cellWidth - margin}px`
    frame.style.top = `${row * cellHeight - margin}px`
    frame.style.width = `${columns * cellWidth + 2 * margin}px`
    frame.style.height = `${rows * cellHeight + 2 * margin}px`
  }

  return {
    node,
    layOut(next) {
      layout = next
      hover.hidden = true
      // What the labels cover is out of sight.
      cell.style.scrollMargin = `${next.header.height + 4}px 4px 4px ${next.left + 4}px`
    },
    focus({ row, column }, label, shown) {
      place(cell, { row, column, rows: 1, columns: 1 }, 2)
      node.setAttribute('aria-rowindex', String(row + 1))
      cell.setAttribute('aria-colindex', String(column + 1))
      cell.setAttribute('aria-label', label)
      // Unseen, not gone: a grid without any cell would be none to a screen reader.
      cell.style.opacity = shown ? '1' : '0'
    },
    reveal: () => cell.scrollIntoView({ block: 'nearest', inline: 'nearest' }),
    point(mark) {
      hover.hidden = mark === undefined
      if (mark) place(hover, { ...mark, rows: 1, columns: 1 }, 1)
    },
    outline({ count, columns }, chosen) {
      const blocks = chosenBlocks(count, columns, chosen)
      const [first] = blocks
      const all = blocks.length === 1 && first!.rows * first!.columns === count * columns && count * columns > 1
      const shown = all ? [] : blocks
      for (const frame of frames) frame.remove()
      frames = shown.map((block) => {
        const frame = page.createElement('div')
        frame.dataset.chosen = `${block.row},${block.column}`
        frame.style.cssText = CHOSEN
        place(frame, block, 2)
        return frame
      })
      node.append(...frames)
    },
  }
}
