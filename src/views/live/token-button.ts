/** A token of a text as a button that shows a weight. */

import { hex, readableOn } from '../colors.ts'
import { displayWidth, visibleLabel } from '../labels.ts'
import { isPresent } from '../scales.ts'
import { LEAST_SHOWN, READING_SCALES, type Reading, shortWeight } from '../token-reading.ts'

/** A token's element. */
export interface LiveToken {
  readonly button: HTMLButtonElement
  show(reading: Reading, isFocus: boolean, isLocked: boolean): void
}

const TOKEN =
  'display:inline-flex;flex-direction:column;align-items:center;min-width:26px;padding:1px 3px;border:0;margin:0;' +
  'border-radius:3px;font-family:inherit;font-size:12px;line-height:1.35;color:inherit;background:none;cursor:pointer;white-space:pre;contain:layout'
// Two contrasting lines: one of them is seen on any shade.
const FRAMED = 'inset 0 0 0 2px var(--diopter-selected,CanvasText),inset 0 0 0 3px Canvas'
const FAINT = 'inset 0 0 0 1px color-mix(in srgb,currentColor 22%,transparent)'

// Its size is known beforehand, so that writing weights moves nothing. Containing its paint as well would make a layer of every token.
const WEIGHT =
  'display:block;width:100%;height:14px;font-size:10px;line-height:14px;text-align:center;contain:size layout style'

/** Makes tokens that show nothing. */
export function tokenMaker(page: Document): (token: string, index: number) => LiveToken {
  const blank = page.createElement('button')
  blank.type = 'button'
  blank.style.cssText = TOKEN
  blank.tabIndex = -1
  const weight = page.createElement('span')
  weight.style.cssText = WEIGHT
  weight.append(page.createTextNode(''))
  blank.append(page.createElement('span'), weight)
  return (token, index) => {
    // Copies need no parsing of styles.
    const button = blank.cloneNode(true) as HTMLButtonElement
    const name = visibleLabel(token)
    button.dataset.token = String(index)
    button.style.minWidth = `${Math.max(3, displayWidth(name)) + 1}ch`
    button.firstElementChild!.textContent = name
    return { button, show: createShow(button) }
  }
}

/** Most tokens of a long text keep most of what they show: only what changes is written. */
function createShow(button: HTMLButtonElement): LiveToken['show'] {
  const { style } = button
  const write = (change: (value: string) => void) => {
    let before: string | undefined
    return (value: string) => {
      if (value !== before) change(value)
      before = value
    }
  }
  const background = write((color) => {
    style.background = color
  })
  const ink = write((color) => {
    style.color = color
  })
  const frame = write((shadow) => {
    style.boxShadow = shadow
  })
  const pressed = write((isLocked) => button.setAttribute('aria-pressed', isLocked))
  const digits = button.lastElementChild!.firstChild as Text
  const number = write((text) => {
    digits.data = text
  })
  return ({ weight, side }, isFocus, isLocked) => {
    const color = isPresent(weight) && weight >= LEAST_SHOWN ? READING_SCALES[side].color(weight) : undefined
    background(color ? hex(color) : 'none')
    ink(color ? hex(readableOn(color)) : 'inherit')
    frame(isFocus ? FRAMED : FAINT)
    pressed(String(isLocked))
    number(shortWeight(weight))
  }
}
