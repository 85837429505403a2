/** The step axis on which a change counts as short or long. */
export type StepScale = 'log' | 'linear'

/**
 * One shape that a curve may be made of, rising from 0 towards 1 with the step.
 * - relaxation: 1 - exp(-t / centre), what falls or rises at a constant rate from the first step on;
 * - step: a logistic step of the axis, with `width` the length of axis (decades, or steps) from 10 % to 90 % of it.
 */
export type Shape = { readonly kind: 'relaxation'; readonly centre: number } | Step

/** A logistic step; see `Shape`. */
export interface Step {
  readonly kind: 'step'
  /** Place on the axis. */
  readonly centre: number
  readonly width: number
}

/** ln 81: a logistic goes from 10 % to 90 % in this many of its own units. */
const LOGISTIC_SPAN = Math.log(81)

/** Decades from 10 % to 90 % of an exponential relaxation, log10(ln 0.1 / ln 0.9): nothing that relaxes is shorter. */
export const RELAXATION_DECADES = Math.log10(Math.log(0.1) / Math.log(0.9))

/** The axis that steps lie on. */
export interface StepAxis {
  readonly scale: StepScale
  /** First and last place: decades, or steps. Step 0 has no place on a log axis: the first positive step begins it. */
  readonly from: number
  readonly to: number
  /** The longest 10-90 width of a phase change: one relaxation on a log axis, a quarter of a linear one. */
  readonly longest: number
  place(step: number): number
  step(place: number): number
}

/** The axis of rising steps, not all of which are 0. */
export function stepAxis(steps: ArrayLike<number>, scale: StepScale): StepAxis {
  const last = steps[steps.length - 1]!
  if (scale === 'linear')
    return {
      scale,
      from: steps[0]!,
      to: last,
      longest: (last - steps[0]!) / 4,
      place: (step) => step,
      step: (place) => place,
    }
  const first = steps[0]! > 0 ? steps[0]! : steps[1]!
  return {
    scale,
    from: Math.log10(first),
    to: Math.log10(last),
    longest: RELAXATION_DECADES,
    place: (step) => Math.log10(step),
    step: (place) => 10 ** place,
  }
}

/** A shape's values at steps. */
export function shapeValues(shape: Shape, steps: ArrayLike<number>, axis: StepAxis): Float64Array {
  const values = new Float64Array(steps.length)
  const { centre } = shape
  if (shape.kind === 'relaxation') {
    for (let i = 0; i < values.length; i++) values[i] = -Math.expm1(-steps[i]! / centre)
    return values
  }
  const slope = LOGISTIC_SPAN / shape.width
  // place(0) on a log axis is -infinity, where the step has not begun.
  for (let i = 0; i < values.length; i++) values[i] = 1 / (1 + Math.exp(-slope * (axis.place(steps[i]!) - centre)))
  return values
}

/** Where most of a shape happens, on the axis. */
export const placeOf = (shape: Shape, axis: StepAxis): number =>
  shape.kind === 'relaxation' ? axis.place(shape.centre) : shape.centre

/** Relaxations per decade of rates. */
const RATES = 4

/**
 * The shapes of which every curve without a phase change is a sum with weights of one sign: exponential relaxations of all
 * rates and steps of the longest width at all places. By Bernstein's theorem the relaxations alone make every completely
 * monotone curve: power laws with any offset, stretched exponentials, their sums. The steps add delayed, S-shaped curves.
 */
export function smoothShapes(steps: ArrayLike<number>, axis: StepAxis): Shape[] {
  const first = steps[0]! > 0 ? steps[0]! : steps[1]!
  const [fastest, slowest] = [Math.log10(first) - 0.5, Math.log10(steps[steps.length - 1]!) + 1.5]
  const rates = Math.ceil((slowest - fastest) * RATES)
  const relaxations = Array.from(
    { length: rates + 1 },
    (_, i): Shape => ({ kind: 'relaxation', centre: 10 ** (fastest + i / RATES) }),
  )
  const { longest: width } = axis
  const places = evenly(axis.from - width / 2, axis.to + width / 2, width / 4)
  return [...relaxations, ...places.map((centre): Shape => ({ kind: 'step', centre, width }))]
}

/** Widths that are scanned, as shares of the longest. */
const WIDTHS = [1 / 2, 1 / 4, 1 / 8, 1 / 16]

/** Steps shorter than the longest, of several widths at all places with enough points on both sides. */
export function sharpSteps(points: ArrayLike<number>, axis: StepAxis, margin: number): Step[] {
  const positive = Array.from(points).filter((step) => axis.scale === 'linear' || step > 0)
  if (positive.length < 2 * margin + 1) return []
  const from = axis.place(positive[margin - 1]!)
  const to = axis.place(positive[positive.length - margin]!)
  return WIDTHS.flatMap((share) => {
    const width = share * axis.longest
    return evenly(from, to, width / 2).map((centre): Step => ({ kind: 'step', centre, width }))
  })
}

function evenly(from: number, to: number, gap: number): number[] {
  const count = Math.max(1, Math.ceil((to - from) / gap))
  return Array.from({ length: count + 1 }, (_, i) => from + ((to - from) * i) / count)
}
