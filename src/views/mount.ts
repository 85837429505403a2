/** Makes a static picture live: a tooltip on hover and focus, arrow keys between marks, selection by click or Enter. */

/** What was chosen. */
export interface Selection {
  readonly row: number
  readonly column: number
  /** The mark's exact value; null where it is absent. */
  readonly value: number | null
  /** The hover text: labels and value. */
  readonly label: string
}

/** What a mounted view takes beside its props. */
export interface Interactive {
  /** Called when a mark is clicked, or Enter or Space is pressed on it. */
  readonly onSelect?: ((selection: Selection) => void) | undefined
}

/** A live view. */
export interface Mounted<Props> {
  /** Draws new props in place; focus and selection stay at their row and column. */
  update(props: Props): void
  /** Empties the element and takes every listener away. */
  destroy(): void
}

const ARROWS: Readonly<Record<string, readonly [rows: number, columns: number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
}

/** Draws `svg(props)` inside `element` and keeps it live until `destroy`. */
export function mountSvg<Props extends Interactive>(
  element: HTMLElement,
  svg: (props: Props) => string,
  props: Props,
): Mounted<Props> {
  const page = element.ownerDocument
  const frame = page.createElement('div')
  frame.style.position = 'relative'
  const picture = page.createElement('div')
  const tooltip = createTooltip(page)
  frame.append(picture, tooltip)
  element.replaceChildren(frame)

  let current = props
  let marks = new Map<string, SVGElement>()
  let focusable: SVGElement | undefined
  let selected: string | undefined

  const draw = () => {
    const active = page.activeElement
    const focused = active && picture.contains(active) ? placeOf(active as SVGElement) : undefined
    const last = focusable && placeOf(focusable)
    // The view escaped everything it was given, so this markup is only its own.
    picture.innerHTML = svg(current)
    marks = new Map([...picture.querySelectorAll<SVGElement>('.diopter-mark')].map((mark) => [placeOf(mark), mark]))
    picture.querySelector('svg')?.setAttribute('role', 'group')
    for (const mark of marks.values()) prepare(mark)
    focusable = marks.get(last ?? '') ?? marks.values().next().value
    focusable?.setAttribute('tabindex', '0')
    if (selected) emphasise(marks.get(selected))
    hide(tooltip)
    if (focused) marks.get(focused)?.focus()
  }

  const prepare = (mark: SVGElement) => {
    const title = mark.querySelector('title')
    mark.setAttribute('aria-label', title?.textContent ?? '')
    // The native tooltip would appear over ours.
    title?.remove()
    mark.setAttribute('role', current.onSelect ? 'button' : 'img')
    mark.setAttribute('tabindex', '-1')
    if (current.onSelect) mark.style.cursor = 'pointer'
  }

  const show = (mark: SVGElement) => {
    tooltip.textContent = mark.getAttribute('aria-label')
    tooltip.hidden = false
    const [box, bounds] = [mark.getBoundingClientRect(), frame.getBoundingClientRect()]
    const left = box.left + box.width / 2 - bounds.left - tooltip.offsetWidth / 2
    const above = box.top - bounds.top - tooltip.offsetHeight - 6
    tooltip.style.left = `${Math.max(0, Math.min(left, bounds.width - tooltip.offsetWidth))}px`
    tooltip.style.top = `${above + bounds.top < 0 ? box.bottom - bounds.top + 6 : above}px`
  }

  const select = (mark: SVGElement) => {
    if (!current.onSelect) return
    if (selected) plain(marks.get(selected))
    selected = placeOf(mark)
    emphasise(mark)
    current.onSelect(selectionOf(mark))
  }

  const focus = (mark: SVGElement) => {
    focusable?.setAttribute('tabindex', '-1')
    focusable = mark
    mark.setAttribute('tabindex', '0')
    mark.focus()
  }

  const onKey = (event: KeyboardEvent) => {
    const mark = markAt(event)
    const arrow = ARROWS[event.key]
    if (event.key === 'Escape') return hide(tooltip)
    if (!mark || (!arrow && event.key !== 'Enter' && event.key !== ' ')) return
    event.preventDefault()
    if (!arrow) return select(mark)
    const next = neighbour(marks, mark, arrow)
    if (next) focus(next)
  }

  const listeners = new AbortController()
  const { signal } = listeners
  picture.addEventListener('pointerover', (event) => (markAt(event) ? show(markAt(event)!) : hide(tooltip)), { signal })
  picture.addEventListener('pointerleave', () => hide(tooltip), { signal })
  picture.addEventListener('focusin', (event) => markAt(event) && show(markAt(event)!), { signal })
  picture.addEventListener('focusout', () => hide(tooltip), { signal })
  picture.addEventListener('keydown', onKey, { signal })
  picture.addEventListener(
    'click',
    (event) => {
      const mark = markAt(event)
      if (!mark) return
      focus(mark)
      select(mark)
    },
    { signal },
  )
  draw()

  return {
    update(next) {
      current = next
      draw()
    },
    destroy() {
      listeners.abort()
      element.replaceChildren()
    },
  }
}

function createTooltip(page: Document): HTMLElement {
  const tooltip = page.createElement('div')
  tooltip.setAttribute('role', 'tooltip')
  tooltip.hidden = true
  // System colours follow the page's light or dark scheme.
  tooltip.style.cssText =
    'position:absolute;z-index:1;pointer-events:none;white-space:pre;padding:4px 8px;border:1px solid GrayText;' +
    'border-radius:4px;background:Canvas;color:CanvasText;font:12px ui-monospace,monospace;box-shadow:0 1px 4px #0004'
  return tooltip
}

function hide(tooltip: HTMLElement): void {
  tooltip.hidden = true
}

function markAt(event: Event): SVGElement | null {
  return (event.target as Element).closest<SVGElement>('.diopter-mark')
}

function emphasise(mark: SVGElement | undefined): void {
  mark?.setAttribute('aria-pressed', 'true')
  mark?.style.setProperty('stroke', 'currentColor')
  mark?.style.setProperty('stroke-opacity', '1')
  mark?.style.setProperty('stroke-width', '2.5')
}

function plain(mark: SVGElement | undefined): void {
  mark?.removeAttribute('aria-pressed')
  for (const property of ['stroke', 'stroke-opacity', 'stroke-width']) mark?.style.removeProperty(property)
}

function placeOf(mark: SVGElement): string {
  return `${mark.dataset.row},${mark.dataset.column}`
}

function selectionOf(mark: SVGElement): Selection {
  const value = Number(mark.dataset.value)
  return {
    row: Number(mark.dataset.row),
    column: Number(mark.dataset.column),
    value: Number.isFinite(value) ? value : null,
    label: mark.getAttribute('aria-label') ?? '',
  }
}

/** The nearest mark in the arrow's direction: along the same row or column first, else in the nearest one that has marks. */
function neighbour(
  marks: ReadonlyMap<string, SVGElement>,
  from: SVGElement,
  [rows, columns]: readonly [number, number],
): SVGElement | undefined {
  const [row, column] = [Number(from.dataset.row), Number(from.dataset.column)]
  let best: { mark: SVGElement; distance: number } | undefined
  for (const mark of marks.values()) {
    const [down, right] = [Number(mark.dataset.row) - row, Number(mark.dataset.column) - column]
    const along = down * rows + right * columns
    if (along <= 0) continue
    const aside = Math.abs(down * columns) + Math.abs(right * rows)
    // One step aside costs more than any step along within reach of a picture.
    const distance = along + aside * 1e5
    if (!best || distance < best.distance) best = { mark, distance }
  }
  return best?.mark
}
