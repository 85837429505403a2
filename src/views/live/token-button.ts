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

// Its size is known beforehand, so that writing weights moves nothing.
const WEIGHT = 'display:block;width:100%;height:14px;font-size:10px;line-height:14px;text-align:center;contain:strict'

/** The token at an index of a text, showing nothing. */
export function liveToken(page: Document, token: string, index: number): LiveToken {
  const button = page.createElement('button')
  button.type = 'button'
  button.dataset.token = String(index)
  button.style.cssText = TOKEN
  button.tabIndex = -1
  const [name, weight] = [page.createElement('span'), page.createElement('span')]
  name.textContent = visibleLabel(token)
  weight.style.cssText = WEIGHT
  const number = page.createTextNode('')
  weight.append(number)
  button.append(name, weight)
  button.style.minWidth = `${Math.max(3, displayWidth(name.textContent)) + 1}ch`

  let before = ''
  return {
    button,
    show(reading, isFocus, isLocked) {
      const isShown = isPresent(reading.weight) && reading.weight >= LEAST_SHOWN
      const color = isShown ? READING_SCALES[reading.side].color(reading.weight) : undefined
      const written = shortWeight(reading.weight)
      const after = `${color},${written},${isFocus},${isLocked}`
      // Most tokens of a long text keep what they show.
      if (after === before) return
      before = after
      button.style.background = color ? hex(color) : 'none'
      button.style.color = color ? hex(readableOn(color)) : 'inherit'
      button.style.boxShadow = isFocus ? FRAMED : FAINT
      button.setAttribute('aria-pressed', String(isLocked))
      number.data = written
    },
  }
}
