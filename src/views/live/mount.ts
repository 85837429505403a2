/** Makes a view live: a tooltip on hover and focus, arrow keys between marks, selection by click or Enter, outlines. */

import { type GridPicture, gridLayout, isLarge } from '../grid-picture.ts'
import { placeAt } from '../place.ts'
import { isPresent } from '../scales.ts'
import { type CanvasSurface, createCanvasSurface } from './canvas-surface.ts'
import type { Interactive, Mounted, Selection } from './interactive.ts'
import { type Chosen, type Mark, placeTest, type Surface, sameMark } from './surface.ts'
import { createSvgSurface, type SvgSurface } from './svg-surface.ts'
import { createTooltip, showTooltip } from './tooltip.ts'

/** How a view is drawn live. */
export interface LiveDrawings<Props> {
  svg(props: Props, width?: number): string
  /** Views that are grids: drawn on a canvas where cells are many. */
  grid?(props: Props): GridPicture
  /** Whether to draw on a canvas however few the cells are. */
  readonly canvas?: boolean
  /** Whether `svg` wraps to the width that it is given. */
  readonly wraps?: boolean
}

/** What a view that is part of another one takes: marks to outline in place of the selection. */
interface Outlined {
  readonly outlined?: Chosen
}

const INTERACTIVE: ReadonlySet<string> = new Set<keyof (Interactive & Outlined)>([
  'outlined',
  'onSelect',
  'onHover',
  'onClear',
  'places',
  'selected',
])

/** Draws a view inside `element` and keeps it live until `destroy`. */
export function mountLive<Props extends object>(
  element: HTMLElement,
  drawings: LiveDrawings<Props>,
  props: Props & Interactive & Outlined,
): Mounted<Props & Interactive & Outlined> {
  const page = element.ownerDocument
  const frame = page.createElement('div')
  frame.style.position = 'relative'
  const tooltip = createTooltip(page)
  element.replaceChildren(frame)

  let current = props
  let svg: SvgSurface | undefined
  let canvas: CanvasSurface | undefined
  let surface: Surface | undefined
  let drawnWidth = 0
  let hovered: Mark | undefined
  let own: Mark | undefined

  const use = <Used extends Surface>(next: Used): Used => {
    if (surface !== next) frame.replaceChildren(next.node, tooltip)
    surface = next
    return next
  }
  const draw = () => {
    drawnWidth = frame.clientWidth
    const width = drawnWidth || undefined
    const picture = drawings.grid?.(current)
    if (picture && (drawings.canvas || needsCanvas(picture))) {
      canvas ??= createCanvasSurface(page)
      use(canvas).draw(picture, width)
    } else {
      svg ??= createSvgSurface(page)
      use(svg).draw(drawings.svg(current, width), current.onSelect !== undefined)
    }
    hover(undefined)
    outline()
  }
  const outline = () => {
    const { places, selected, outlined } = current
    const isOwn = (row: number, column: number) => own?.row === row && own.column === column
    surface?.outline(outlined ?? (selected ? placeTest(places, selected) : isOwn))
  }
  const selectionOf = (mark: Mark): Selection => {
    const { value, label } = surface!.describe(mark)
    const place = placeAt(current.places, mark.row, mark.column)
    return { ...mark, value: isPresent(value) ? value : null, label, place }
  }
  const hover = (mark: Mark | undefined) => {
    if (mark) showTooltip(tooltip, frame, surface!.box(mark), surface!.describe(mark).label)
    else tooltip.hidden = true
    if (sameMark(mark, hovered)) return
    hovered = mark
    surface?.point(mark)
    current.onHover?.(mark ? selectionOf(mark) : null)
  }
  const select = (mark: Mark) => {
    if (!current.onSelect) return
    own = mark
    outline()
    current.onSelect(selectionOf(mark))
  }
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const mark = surface?.focused()
    if (event.key === 'Escape') {
      hover(undefined)
      current.onClear?.()
      return
    }
    if (!surface || !mark) return
    const chooses = event.key === 'Enter' || event.key === ' '
    const target = chooses ? mark : surface.target(mark, event.key)
    if (!target) return
    event.preventDefault()
    if (chooses) return select(mark)
    surface.focus(target)
    hover(target)
  }

  const { signal, abort } = abortable()
  const listen = <Type extends keyof HTMLElementEventMap>(
    type: Type,
    act: (event: HTMLElementEventMap[Type]) => void,
  ) => frame.addEventListener(type, act, { signal })
  listen('pointermove', (event) => {
    const mark = surface?.markAt(event)
    if (!sameMark(mark, hovered)) hover(mark)
  })
  listen('pointerleave', () => hover(undefined))
  // What the pointer is on stays what is said, also when pressing it brings the focus.
  listen('focusin', () => hover(hovered ?? surface?.focused()))
  listen('focusout', () => hover(undefined))
  listen('keydown', onKey)
  listen('click', (event) => {
    const mark = surface?.markAt(event)
    if (!mark) return
    surface?.focus(mark)
    hover(mark)
    select(mark)
  })
  draw()

  const resized = new ResizeObserver(() => {
    if (frame.clientWidth !== drawnWidth && (surface === canvas || drawings.wraps)) draw()
  })
  resized.observe(frame)

  return {
    update(next) {
      const isSame = samePicture(current, next)
      current = next
      if (isSame) outline()
      else draw()
    },
    destroy() {
      abort()
      resized.disconnect()
      element.replaceChildren()
    },
  }
}

function abortable() {
  const controller = new AbortController()
  return { signal: controller.signal, abort: () => controller.abort() }
}

/** Too many cells for elements, or a text that would be dropped to fit. */
function needsCanvas(picture: GridPicture): boolean {
  return isLarge(picture) || (picture.keepsText === true && !gridLayout(picture, undefined).showsText)
}

/** Whether an update changes nothing that is drawn. */
function samePicture(before: object, after: object): boolean {
  const drawn = (props: object) => Object.entries(props).filter(([name]) => !INTERACTIVE.has(name))
  const selects = (props: object) => (props as Interactive).onSelect !== undefined
  const [old, fresh] = [drawn(before), new Map(drawn(after))]
  return (
    selects(before) === selects(after) &&
    old.length === fresh.size &&
    old.every(([name, value]) => fresh.has(name) && fresh.get(name) === value)
  )
}
