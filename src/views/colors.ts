/** Colours of values: one diverging and one sequential scale that read without red-green sight, and a series palette. */

import { DiopterError } from '../errors/index.ts'
import { extent, linearTicks, logTicks, type Value } from './scales.ts'

export type Rgb = readonly [red: number, green: number, blue: number]

/** `diverging`: orange below zero, near-white at zero, blue above. `sequential`: near-white to dark blue. */
export type ColorScaleKind = 'diverging' | 'sequential'

// Lightness falls monotonically from the neutral middle on both sides.
const DIVERGING: readonly Rgb[] = [
  rgb('8f3a05'),
  rgb('d9762b'),
  rgb('f6c08c'),
  rgb('f7f7f5'),
  rgb('a6c8e8'),
  rgb('4a8cc7'),
  rgb('123f7a'),
]
const SEQUENTIAL: readonly Rgb[] = [rgb('f7f7f5'), rgb('c8dcee'), rgb('8ab6dc'), rgb('4a8cc7'), rgb('123f7a')]

/** Okabe and Ito's colour-blind safe palette, in the shades that read on white and on black. */
export const seriesColors: readonly Rgb[] = [
  rgb('3d8fd1'),
  rgb('e0802a'),
  rgb('1aa37a'),
  rgb('c76ca6'),
  rgb('b8a412'),
  rgb('8c8c8c'),
]

/** Colours of signed bars: the saturated ends of the diverging scale. */
export const signColors = { positive: rgb('4a8cc7'), negative: rgb('d9762b') } as const

/** Colours of verdicts, as text on light paper, on dark and on a terminal's unknown; every verdict also carries a sign and a word. */
export const verdictColors = {
  holds: { onLight: rgb('147a5a'), onDark: rgb('4cc79b'), onTerminal: rgb('1a8f6b') },
  fails: { onLight: rgb('b83c14'), onDark: rgb('ff8a5c'), onTerminal: rgb('d1491f') },
  untested: { onLight: rgb('6b6b6b'), onDark: rgb('a5a5a5'), onTerminal: rgb('8c8c8c') },
} as const

/** A colour for every value of a domain, and what a colour bar needs to draw it. */
export interface ColorScale {
  readonly kind: ColorScaleKind
  readonly domain: readonly [number, number]
  /** Where a value lies on the colour bar, clamped to 0..1. */
  position(value: number): number
  /** The colour at a position of the bar. */
  at(position: number): Rgb
  color(value: number): Rgb
  /** Values to write beside the bar. */
  readonly ticks: readonly number[]
}

export interface ColorScaleOptions {
  readonly kind: ColorScaleKind
  /** The values to cover, used where `domain` is not given. */
  readonly values: Iterable<Value | undefined>
  readonly domain?: readonly [number, number] | undefined
  /** `logarithmic` places log(1 + value) evenly, for ranks. */
  readonly spacing?: 'linear' | 'logarithmic'
  /** The strong colour at the low end. Sequential scales only. */
  readonly reversed?: boolean
}

/**
 * A colour scale over the given values: diverging ones are symmetric about zero.
 * Throws where the domain is empty or not finite.
 */
export function colorScale(options: ColorScaleOptions): ColorScale {
  const { kind, spacing = 'linear', reversed = false } = options
  const [low, high] = resolvedDomain(options)
  const anchors = kind === 'diverging' ? DIVERGING : SEQUENTIAL
  const place = spacing === 'logarithmic' ? Math.log1p : (value: number) => value
  const start = place(low)
  const span = place(high) - start
  const position = (value: number) => (place(Math.min(high, Math.max(low, value))) - start) / span
  const at = (where: number) => blend(anchors, reversed ? 1 - where : where)
  return {
    kind,
    domain: [low, high],
    position,
    at,
    color: (value) => at(position(value)),
    ticks: barTicks(
      low,
      high,
      spacing === 'logarithmic' ? logTicks(Math.max(low, 1), high, 4) : linearTicks(low, high, 4),
      position,
    ),
  }
}

/** The domain's ends, and the round numbers between that do not crowd them. */
function barTicks(low: number, high: number, round: readonly number[], position: (value: number) => number): number[] {
  const inside = round.filter((tick) => position(tick) > 0.14 && position(tick) < 0.86)
  return [low, ...inside, high]
}

function resolvedDomain({ kind, values, domain }: ColorScaleOptions): readonly [number, number] {
  if (domain && !(Number.isFinite(domain[0]) && Number.isFinite(domain[1]) && domain[0] < domain[1])) {
    throw new DiopterError(
      `A colour scale was asked for over [${domain.join(', ')}]: give two finite numbers, the smaller first.`,
    )
  }
  const [low, high] = domain ?? extent(values) ?? [0, 1]
  if (kind === 'diverging') {
    const limit = Math.max(Math.abs(low), Math.abs(high)) || 1
    return [-limit, limit]
  }
  return low === high ? [Math.min(low, 0), Math.max(high, 0) || (low < 0 ? 0 : 1)] : [low, high]
}

function blend(anchors: readonly Rgb[], position: number): Rgb {
  const place = clamp(position) * (anchors.length - 1)
  const index = Math.min(Math.floor(place), anchors.length - 2)
  const [from, to] = [anchors[index]!, anchors[index + 1]!]
  const mix = (channel: 0 | 1 | 2) => Math.round(from[channel] + (to[channel] - from[channel]) * (place - index))
  return [mix(0), mix(1), mix(2)]
}

/** Black or white, whichever contrasts more with the background: 4.58 to 1 at least (WCAG relative luminance). */
export function readableOn(background: Rgb): Rgb {
  const [red, green, blue] = linearLight(background)
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? [0, 0, 0] : [255, 255, 255]
}

/** sRGB channels as proportions of light. */
function linearLight([red, green, blue]: Rgb): Rgb {
  const light = (channel: number) => {
    const part = channel / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }
  return [light(red), light(green), light(blue)]
}

/** `#rrggbb`. */
export function hex(color: Rgb): string {
  return `#${color.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`
}

/** The fixed part of the 256-colour terminal palette: a 6 by 6 by 6 cube from 16 on, 24 greys from 232 on. */
const TERMINAL_PALETTE: readonly Rgb[] = Array.from({ length: 240 }, (_, index): Rgb => {
  if (index >= 216) return [8 + 10 * (index - 216), 8 + 10 * (index - 216), 8 + 10 * (index - 216)]
  const level = (step: number) => [0, 95, 135, 175, 215, 255][step % 6]!
  return [level(Math.floor(index / 36)), level(Math.floor(index / 6)), level(index)]
})
const TERMINAL_LAB = TERMINAL_PALETTE.map(okLab)
const ALL_CODES = TERMINAL_PALETTE.map((_, index) => 16 + index)
/**
 * The palette's own orange-white-blue ramp. The nearest of all 240 colours would wander through greens and purples,
 * and a ramp that wanders in hue reads as categories.
 */
const RAMP_CODES = [94, 130, 172, 215, 223, 230, 231, 189, 153, 110, 68, 25, 18]

/** The terminal colour, 16 to 255, that looks nearest to a colour. */
export function ansi256(color: Rgb): number {
  return nearestCode(color, ALL_CODES)
}

/** The terminal colour for a colour of a scale: never darker where the scale is lighter. */
export function ansi256OfScale(color: Rgb): number {
  return nearestCode(color, RAMP_CODES)
}

function nearestCode(color: Rgb, codes: readonly number[]): number {
  const lab = okLab(color)
  const distance = (code: number) =>
    TERMINAL_LAB[code - 16]!.reduce((sum, coordinate, index) => sum + (coordinate - lab[index]!) ** 2, 0)
  return codes.reduce((best, code) => (distance(code) < distance(best) ? code : best))
}

/** Oklab lightness, green-red and blue-yellow (Ottosson, 2020, https://bottosson.github.io/posts/oklab/). */
function okLab(color: Rgb): Rgb {
  const [red, green, blue] = linearLight(color)
  const long = Math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
  const medium = Math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
  const short = Math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
  return [
    0.2104542553 * long + 0.793617785 * medium - 0.0040720468 * short,
    1.9779984951 * long - 2.428592205 * medium + 0.4505937099 * short,
    0.0259040371 * long + 0.7827717662 * medium - 0.808675766 * short,
  ]
}

function clamp(position: number): number {
  return Math.min(1, Math.max(0, position))
}

function rgb(digits: string): Rgb {
  const channel = (index: number) => Number.parseInt(digits.slice(index, index + 2), 16)
  return [channel(0), channel(2), channel(4)]
}
