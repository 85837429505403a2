/** A static SVG made live: every mark is an element that can be focused. */

import type { Mark, Surface } from './surface.ts'

/** A surface that shows SVG markup. */
export interface SvgSurface extends Surface {
  /** Draws the markup of a view; focus stays at its row and column. */
  draw(svg: string, selectable: boolean): void
}

const ARROWS: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
}
/** A picture is not made narrower than this many pixels, where its text would be too small; it scrolls. */
const NARROWEST = 520

/** An empty surface. */
export function createSvgSurface(page: Document): SvgSurface {
  const node = page.createElement('div')
  node.style.overflowX = 'auto'
  let marks = new Map<string, SVGElement>()
  let tabStop: SVGElement | undefined
  let outlined: SVGElement[] = []

  const elementOf = (mark: Mark) => marks.get(`${mark.row},${mark.column}`)
  const makeTabStop = (element: SVGElement | undefined) => {
    tabStop?.setAttribute('tabindex', '-1')
    tabStop = element
    element?.setAttribute('tabindex', '0')
  }
  const prepare = (element: SVGElement, selectable: boolean) => {
    const title = element.querySelector('title')
    element.setAttribute('aria-label', title?.textContent ?? '')
    // The native tooltip would appear over ours.
    title?.remove()
    element.setAttribute('role', selectable ? 'button' : 'img')
    element.setAttribute('tabindex', '-1')
    if (selectable) element.style.cursor = 'pointer'
  }
  const focused = () => {
    const { activeElement } = page
    return activeElement && node.contains(activeElement) ? markOf(activeElement as SVGElement) : undefined
  }

  return {
    node,
    draw(svg, selectable) {
      const active = focused()
      const last = tabStop && markOf(tabStop)
      // The view escaped everything it was given, so this markup is only its own.
      node.innerHTML = svg
      const elements = [...node.querySelectorAll<SVGElement>('.diopter-mark')]
      marks = new Map(elements.map((element) => [`${element.dataset.row},${element.dataset.column}`, element]))
      const picture = node.querySelector('svg')
      picture?.setAttribute('role', 'group')
      if (picture) picture.style.minWidth = `${Math.min(picture.viewBox.baseVal.width, NARROWEST)}px`
      for (const element of elements) prepare(element, selectable)
      outlined = []
      tabStop = undefined
      makeTabStop((last && elementOf(last)) ?? elements[0])
      if (active) elementOf(active)?.focus()
    },
    markAt(event) {
      const element = (event.target as Element).closest<SVGElement>('.diopter-mark')
      return element ? markOf(element) : undefined
    },
    focused,
    target(from, key) {
      const direction = ARROWS[key]
      return direction && neighbour(marks.values(), from, direction)
    },
    describe(mark) {
      const element = elementOf(mark)
      const value = Number(element?.dataset.value)
      return { value: Number.isFinite(value) ? value : null, label: element?.getAttribute('aria-label') ?? '' }
    },
    box: (mark) => (elementOf(mark) ?? node).getBoundingClientRect(),
    focus(mark) {
      makeTabStop(elementOf(mark))
      tabStop?.focus()
    },
    // The tooltip says it.
    point() {},
    outline(chosen) {
      for (const element of outlined) plain(element)
      const found = [...marks.values()].filter((element) =>
        chosen(Number(element.dataset.row), Number(element.dataset.column)),
      )
      outlined = found.length === marks.size && found.length > 1 ? [] : found
      for (const element of outlined) emphasise(element)
    },
  }
}

function markOf(element: SVGElement): Mark {
  return { row: Number(element.dataset.row), column: Number(element.dataset.column) }
}

/** What says that a mark is the chosen one: only buttons can be pressed. */
const chosenState = (element: SVGElement) =>
  element.getAttribute('role') === 'button' ? 'aria-pressed' : 'aria-current'

function emphasise(element: SVGElement): void {
  element.setAttribute(chosenState(element), 'true')
  element.style.setProperty('stroke', 'currentColor')
  element.style.setProperty('stroke-opacity', '1')
  element.style.setProperty('stroke-width', '2.5')
}

function plain(element: SVGElement): void {
  element.removeAttribute(chosenState(element))
  for (const property of ['stroke', 'stroke-opacity', 'stroke-width']) element.style.removeProperty(property)
}

/** The nearest mark in a direction: along the same row or column first, else in the nearest one that has marks. */
function neighbour(
  elements: Iterable<SVGElement>,
  from: Mark,
  [rows, columns]: readonly [number, number],
): Mark | undefined {
  let best: { mark: Mark; distance: number } | undefined
  for (const element of elements) {
    const mark = markOf(element)
    const [down, right] = [mark.row - from.row, mark.column - from.column]
    const along = down * rows + right * columns
    if (along <= 0) continue
    const aside = Math.abs(down * columns) + Math.abs(right * rows)
    // One step aside costs more than any step along within reach of a picture.
    const distance = along + aside * 1e5
    if (!best || distance < best.distance) best = { mark, distance }
  }
  return best?.mark
}
