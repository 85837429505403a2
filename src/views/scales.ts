/** Number lines: extents, round tick values, positions on linear and logarithmic axes, and how numbers are written. */

/** A value of a picture; null, NaN and infinities are absent: shown as such, never coloured or averaged. */
export type Value = number | null

/** Whether a value can be placed on a number line. */
export function isPresent(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** Smallest and largest present value, or undefined when none is present. */
export function extent(values: Iterable<Value | undefined>): [number, number] | undefined {
  let low = Infinity
  let high = -Infinity
  for (const value of values) {
    if (!isPresent(value)) continue
    if (value < low) low = value
    if (value > high) high = value
  }
  return low <= high ? [low, high] : undefined
}

/** About `count` round numbers (1, 2 or 5 times a power of ten) inside [low, high]. */
export function linearTicks(low: number, high: number, count = 5): number[] {
  if (!(high > low)) return [low]
  const rough = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10)
  const ticks: number[] = []
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) {
    // Rounded to the step's own digits, so that 3 * 0.1 is written 0.3; `+ 0` turns -0 into 0.
    ticks.push(Number((k * step).toPrecision(12)) + 0)
  }
  return ticks
}

/** Powers of ten inside [low, high] (thinned to about `count`); where there are fewer than two, 1, 2 and 5 times them, or round numbers. */
export function logTicks(low: number, high: number, count = 5): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9)
  const last = Math.floor(Math.log10(high) + 1e-9)
  if (last - first < 1) {
    const finer = [first - 1, first, last].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)))
    const inside = [...new Set(finer)].filter((tick) => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9))
    return inside.length > 2 ? inside : linearTicks(low, high, count).filter((tick) => tick > 0)
  }
  const stride = Math.ceil((last - first + 1) / (count + 1))
  const ticks: number[] = []
  for (let power = first; power <= last; power += stride) ticks.push(Number(`1e${power}`))
  return ticks
}

/** One axis: where a value lies, as a fraction of the axis, and the values worth writing beside it. */
export interface Axis {
  readonly domain: readonly [number, number]
  /** 0 at the domain's start, 1 at its end. */
  position(value: number): number
  /** Whether the axis can show the value at all (a logarithmic one shows positive values only). */
  shows(value: Value | undefined): value is number
  ticks(count?: number): number[]
}

/** An axis that covers the given values; a single value gets room on both sides, no values the unit interval. */
export function axis(kind: 'linear' | 'log', values: Iterable<Value | undefined>): Axis {
  const log = kind === 'log'
  const shows = (value: Value | undefined): value is number => isPresent(value) && (!log || value > 0)
  let [low, high] = extent([...values].filter(shows)) ?? (log ? [1, 10] : [0, 1])
  if (low === high)
    [low, high] = log ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2]
  const place = log ? Math.log10 : (value: number) => value
  return {
    domain: [low, high],
    position: (value) => (place(value) - place(low)) / (place(high) - place(low)),
    shows,
    ticks: (count = 5) => (log ? logTicks : linearTicks)(low, high, count),
  }
}

/** A number in few characters: 3 significant digits, exponent form below 0.001 and from 100000 on. */
export function formatNumber(value: number): string {
  const size = Math.abs(value)
  if (value === 0 || !Number.isFinite(value)) return String(value + 0)
  if (size < 1e-3 || size >= 1e5)
    return value
      .toExponential(2)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e')
  if (size >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(3)))
}

/** One way to write all of `values`: as many decimals for each as give the largest 3 digits (2 below one). */
export function commonFormat(values: Iterable<Value | undefined>): (value: number) => string {
  const [low, high] = extent(values) ?? [0, 0]
  const largest = Math.max(Math.abs(low), Math.abs(high))
  if (largest !== 0 && (largest < 1e-3 || largest >= 1e5)) return formatNumber
  const magnitude = largest === 0 ? 0 : Math.floor(Math.log10(largest))
  const decimals = magnitude >= 0 ? Math.max(0, 2 - magnitude) : 1 - magnitude
  return (value) => value.toFixed(decimals).replace(/^-(0(?:\.0+)?)$/, '$1')
}

/** A value for hovers: 6 significant digits, all that a float32 computation is good for; `absent` as `exactValue` has it. */
export function hoverValue(value: Value | undefined): string {
  return isPresent(value) ? String(Number(value.toPrecision(6))) : exactValue(value)
}

/** A value as it is, for tables: every digit of a number, `absent` for null, NaN or an infinity by name. */
export function exactValue(value: Value | undefined): string {
  return value === null || value === undefined ? 'absent' : String(value)
}
