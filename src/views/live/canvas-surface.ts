/**
 * A large grid made live: cells on one canvas that covers what is in sight, labels beside it that stay there when it
 * scrolls, and one element that is moved to the focused cell: the keyboard's and the screen reader's place in the grid.
 */

import { colorBar } from '../color-bar.ts'
import { hex, readableOn } from '../colors.ts'
import { rowLabelTexts } from '../grid.ts'
import { CELL_FONT, type GridLayout, type GridPicture, gridLayout } from '../grid-picture.ts'
import { visibleText } from '../labels.ts'
import { valueAt } from '../numbers.ts'
import { isPresent } from '../scales.ts'
import { element, FONT_FAMILY, FONT_SIZE, fitText, fragment, label, type Markup } from '../svg.ts'
import { gridTarget } from './grid-keys.ts'
import { createOverlay } from './overlay.ts'
import { paintSheet } from './paint.ts'
import type { Mark, Surface } from './surface.ts'

/** A surface that shows a grid. */
export interface CanvasSurface extends Surface {
  /** Draws a grid in `width` pixels. */
  draw(picture: GridPicture, width: number | undefined): void
}

const TALLEST = '75vh'
/** Cells of fewer pixels have no lines around them. */
const LINED = 12

/** An empty surface. */
export function createCanvasSurface(page: Document): CanvasSurface {
  const part = (css: string, ...children: HTMLElement[]) => {
    const created = page.createElement('div')
    created.style.cssText = css
    created.append(...children)
    return created
  }
  const paper = 'background:var(--diopter-paper,Canvas);'
  const canvas = page.createElement('canvas')
  canvas.setAttribute('aria-hidden', 'true')
  canvas.style.cssText = 'position:sticky;display:block'
  const overlay = createOverlay(page)
  const corner = part(`${paper}position:sticky;top:0;left:0;z-index:3`)
  const head = part(`${paper}position:sticky;top:0;z-index:2`)
  const side = part(`${paper}position:sticky;left:0;z-index:2`)
  const body = part('position:relative', canvas, overlay.node)
  const sheetBox = part('display:grid;width:max-content;padding:0 3px 3px 0', corner, head, side, body)
  const box = part(`overflow:auto;max-height:${TALLEST};max-width:max-content;position:relative`, sheetBox)
  box.setAttribute('role', 'grid')
  box.tabIndex = 0
  const title = part('font-weight:bold;font-size:13px;padding:10px 0 8px')
  const legend = part('overflow-x:auto')
  const status = part('position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:pre')
  status.setAttribute('role', 'status')
  const node = part(`font:${FONT_SIZE}px ${FONT_FAMILY};position:relative`, title, box, legend, status)

  let picture: GridPicture | undefined
  let layout: GridLayout | undefined
  let sheet: HTMLCanvasElement | undefined
  let cursor: Mark = { row: 0, column: 0 }

  const pixelRatio = () => page.defaultView?.devicePixelRatio || 1

  const paint = () => {
    if (!picture || !layout || !sheet) return
    const { left, header, cellWidth, cellHeight } = layout
    const ratio = pixelRatio()
    const [gridWidth, gridHeight] = [cellWidth * picture.values.columns, cellHeight * picture.values.count]
    // Before the page has a layout, nothing is known to be out of sight.
    const width = Math.min(gridWidth, box.clientWidth > 0 ? Math.max(1, box.clientWidth - left) : gridWidth)
    const height = Math.min(
      gridHeight,
      box.clientHeight > 0 ? Math.max(1, box.clientHeight - header.height) : gridHeight,
    )
    const [x, y] = [Math.min(box.scrollLeft, gridWidth - width), Math.min(box.scrollTop, gridHeight - height)]
    canvas.width = Math.max(1, Math.round(width * ratio))
    canvas.height = Math.max(1, Math.round(height * ratio))
    canvas.style.width = `${width}px`
    canvas.style.height = `${height}px`
    const context = canvas.getContext('2d')!
    context.imageSmoothingEnabled = false
    context.setTransform(ratio, 0, 0, ratio, -Math.round(x * ratio), -Math.round(y * ratio))
    context.drawImage(sheet, 0, 0, gridWidth, gridHeight)
    if (!picture.thumbnail) paintCells(context, picture, layout, { x, y, width, height })
  }

  const boxOf = ({ row, column }: Mark): DOMRect => {
    const { cellWidth = 0, cellHeight = 0 } = layout ?? {}
    const origin = body.getBoundingClientRect()
    return new DOMRect(origin.left + column * cellWidth, origin.top + row * cellHeight, cellWidth, cellHeight)
  }
  const describe = (mark: Mark) => ({
    value: picture ? valueAt(picture.values, mark.row, mark.column) : null,
    label: picture ? picture.hover(mark.row, mark.column).join('\n') : '',
  })
  const markAt = (event: Event): Mark | undefined => {
    if (!picture || !layout || !body.contains(event.target as Node)) return undefined
    const { clientX, clientY } = event as PointerEvent
    const origin = body.getBoundingClientRect()
    const row = Math.floor((clientY - origin.top) / layout.cellHeight)
    const column = Math.floor((clientX - origin.left) / layout.cellWidth)
    const inside = row >= 0 && row < picture.values.count && column >= 0 && column < picture.values.columns
    return inside ? { row, column } : undefined
  }
  const isFocused = () => page.activeElement === box

  box.addEventListener('scroll', paint)
  // Pressing brings the focus before the click says where to.
  box.addEventListener('pointerdown', (event) => {
    cursor = markAt(event) ?? cursor
  })
  box.addEventListener('focus', () => overlay.focus(cursor, describe(cursor).label, true))
  box.addEventListener('blur', () => overlay.focus(cursor, describe(cursor).label, false))

  return {
    node,
    draw(next, width) {
      picture = next
      const pixel = 1 / pixelRatio()
      layout = gridLayout(next, width, { pixel, scrolls: true })
      const { left, header, cellWidth, cellHeight } = layout
      const [gridWidth, gridHeight] = [cellWidth * next.values.columns, cellHeight * next.values.count]
      cursor = {
        row: Math.max(0, Math.min(cursor.row, next.values.count - 1)),
        column: Math.max(0, Math.min(cursor.column, next.values.columns - 1)),
      }
      box.setAttribute('aria-label', next.title)
      box.setAttribute('aria-rowcount', String(next.values.count))
      box.setAttribute('aria-colcount', String(next.values.columns))
      title.textContent = visibleText(next.title)
      sheetBox.style.gridTemplate = `${header.height}px ${gridHeight}px / ${left}px ${gridWidth}px`
      const faint = { 'text-anchor': 'end', 'fill-opacity': 0.7 }
      corner.innerHTML = drawing(left, header.height, label(left - 8, header.height - 6, next.rowAxis, faint))
      head.innerHTML = drawing(
        Math.max(gridWidth, header.width),
        header.height,
        element('g', { transform: `translate(0 ${header.height})` }, header.markup),
      )
      side.innerHTML = drawing(left, gridHeight, rowLabelTexts(layout, left - 8, 0))
      const bar = colorBar(next.scale, next.valueLabel, next.references ?? [])
      const axis = label(left, 14, visibleText(next.columnAxis), { 'fill-opacity': 0.7 })
      const shifted = element('g', { transform: `translate(${left} 22)` }, bar.markup)
      legend.innerHTML = drawing(left + bar.width, bar.height + 22, fragment([axis, shifted]))
      // Frames of cells at the edge reach a little beyond it.
      side.style.width = `${left - 3}px`
      head.style.height = `${header.height - 3}px`
      canvas.style.left = `${left}px`
      canvas.style.top = `${header.height}px`
      overlay.layOut(layout)
      overlay.focus(cursor, describe(cursor).label, isFocused())
      sheet = paintSheet(page, next, Math.round(cellWidth * pixelRatio()))
      paint()
    },
    markAt,
    focused: () => (isFocused() && picture && picture.values.count > 0 ? cursor : undefined),
    target: (from, key) => picture && gridTarget(from, key, picture.values),
    describe,
    box: boxOf,
    focus(mark) {
      cursor = mark
      const { label } = describe(mark)
      box.focus({ preventScroll: true })
      overlay.focus(mark, label, true)
      overlay.reveal()
      status.textContent = label
    },
    point: (mark) => overlay.point(mark),
    outline: (chosen) => picture && overlay.outline(picture.values, chosen),
  }
}

/** Lines, texts and hatching of the cells in sight. */
function paintCells(
  context: CanvasRenderingContext2D,
  picture: GridPicture,
  { cellWidth, cellHeight, showsText }: GridLayout,
  sight: { x: number; y: number; width: number; height: number },
): void {
  if (Math.min(cellWidth, cellHeight) < LINED) return
  const { values, scale, text } = picture
  const lastRow = Math.min(values.count - 1, Math.floor((sight.y + sight.height) / cellHeight))
  const lastColumn = Math.min(values.columns - 1, Math.floor((sight.x + sight.width) / cellWidth))
  context.strokeStyle = 'rgba(128,128,128,0.25)'
  context.font = `${CELL_FONT}px ${FONT_FAMILY}`
  context.textAlign = 'center'
  for (let row = Math.floor(sight.y / cellHeight); row <= lastRow; row++) {
    for (let column = Math.floor(sight.x / cellWidth); column <= lastColumn; column++) {
      const [x, y] = [column * cellWidth, row * cellHeight]
      const value = valueAt(values, row, column)
      context.strokeRect(x, y, cellWidth, cellHeight)
      if (!isPresent(value)) {
        context.beginPath()
        context.moveTo(x, y + cellHeight)
        context.lineTo(x + cellWidth, y)
        context.stroke()
      } else if (showsText && text) {
        context.fillStyle = hex(readableOn(scale.color(value)))
        const written = fitText(text(row, column), cellWidth - 4, CELL_FONT)
        context.fillText(written, x + cellWidth / 2, y + cellHeight / 2 + 3.5)
      }
    }
  }
}

/** A piece of SVG beside the canvas, in the page's colour; what it says is said by the cells too. */
function drawing(width: number, height: number, body: Markup): string {
  return element(
    'svg',
    { width, height, 'aria-hidden': 'true', style: 'display:block;overflow:visible', 'font-size': FONT_SIZE },
    body,
  ).markup
}
