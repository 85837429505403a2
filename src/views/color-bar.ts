/** The legend of coloured pictures: what the colours stand for, as a bar with numbers. */

import { type ColorScale, hex } from './colors.ts'
import { visibleText } from './labels.ts'
import { formatNumber } from './scales.ts'
import { element, fitText, fragment, LINE, label, type Markup, round, textWidth } from './svg.ts'
import type { ReferenceMark } from './terminal.ts'

/** A piece of a picture and the pixels it takes. */
export interface Piece {
  readonly markup: Markup
  readonly width: number
  readonly height: number
}

/** A colour bar: the value's name, reference marks pointing down at the bar, the bar, and its numbers. */
export function colorBar(scale: ColorScale, valueLabel: string, references: readonly ReferenceMark[] = []): Piece {
  const width = 260
  const steps = 52
  const name = visibleText(valueLabel)
  const top = (references.length + 1) * LINE + 2
  const ramp = Array.from({ length: steps }, (_, step) =>
    element('rect', {
      x: (step * width) / steps,
      y: top,
      // Half a pixel over, so that no seams show.
      width: width / steps + (step < steps - 1 ? 0.5 : 0),
      height: 10,
      fill: hex(scale.at(step / (steps - 1))),
    }),
  )
  const ticks = scale.ticks.flatMap((tick) => {
    const x = scale.position(tick) * width
    return [line(x, top + 10, top + 14), label(x, top + 25, formatNumber(tick), { 'text-anchor': anchorAt(x / width) })]
  })
  const marks = references.flatMap(({ label: reference, value }, index) => {
    const x = scale.position(value) * width
    const y = (index + 2) * LINE - 4
    const text = fitText(`${visibleText(reference)} ${formatNumber(value)}`, width)
    // The text runs to whichever side has room.
    const flips = x + textWidth(text) + 4 > width
    const place = { 'text-anchor': flips ? 'end' : 'start' }
    return [line(x, y - 8, top + 10), label(x + (flips ? -4 : 4), y, text, place)]
  })
  return {
    markup: fragment([label(0, LINE - 4, name), ...ramp, ...ticks, ...marks]),
    width: Math.max(width + 16, textWidth(name)),
    height: top + 30,
  }
}

/** The end numbers stay between the bar's ends, so that nothing is clipped at the picture's edge. */
function anchorAt(position: number): 'start' | 'middle' | 'end' {
  return position < 0.05 ? 'start' : position > 0.95 ? 'end' : 'middle'
}

function line(x: number, from: number, to: number): Markup {
  return element('path', { d: `M${round(x)} ${round(from)}V${round(to)}`, stroke: 'currentColor', fill: 'none' })
}
