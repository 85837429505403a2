import { type Noise, whiten } from './noise-model.ts'
import { forwardSubstitute, type NonnegativeFit, nonnegativeFit } from './nonnegative-fit.ts'
import type { ShapeGrid, Shown } from './shape-grid.ts'
import { placeOf, type Shape, type Step, shapeValues } from './shapes.ts'

/** Which way a smooth curve goes: `sign` before the place `turn` of the axis, the other way after it. */
export interface Trend {
  readonly sign: 1 | -1
  readonly turn: number
}

/** A step of which less than this share is left, once everything else is fitted, cannot be told from it. */
const TOLD_APART = 1e-3

/** A fit of the smooth curve plus the free steps. */
export interface SmoothFit {
  readonly nonnegative: NonnegativeFit
  /** The sign that the trend gives every smooth column. */
  readonly signs: Float64Array
  readonly residual: Float64Array
  /** Residual sum of squares, in units of the noise. */
  readonly rss: number
}

/** The best further step for a residual. */
export interface Gain {
  readonly shape: Step
  /** By how much the step lowers the residual sum of squares. */
  readonly gain: number
}

/** A shape's whitened values beside the constant and the free steps, of length 1; `length` is what it was. */
interface Column<Of extends Shape = Shape> {
  readonly shape: Of
  readonly column: Float64Array
  readonly length: number
}

/** A fitted curve in the values' own units. */
export interface Curve {
  /** The height of every free step, in their order. */
  readonly sizes: readonly number[]
  /** The curve without noise at any steps. */
  at(steps: ArrayLike<number>): Float64Array
}

/**
 * A curve at given steps as constant + smooth curve of one trend + free steps of any size, in noise of a known form. All
 * columns are whitened (so that the noise is white, of variance 1) and freed of the constant and the free steps; then
 * a fit is a non-negative one over the smooth columns, and many curves at the same steps share everything else.
 */
export class CurveModel {
  private readonly grid: ShapeGrid
  private readonly noise: Noise
  /** Orthonormal [1 + free][points]. */
  private readonly free: Float64Array[] = []
  private readonly freeShapes: readonly Step[]
  private readonly smooth: readonly Column[]
  /** [smooth][smooth], rows as they are asked for. */
  private readonly gram = new Map<number, Float64Array>()
  /** Steps to scan; many models are never scanned. */
  private sharp: readonly Column<Step>[] | null = null
  /** [smooth][sharp], rows as they are asked for. */
  private readonly cross = new Map<number, Float64Array>()
  /** Signs and signed Gram rows of the trend that was fitted last. */
  private signed: {
    readonly trend: Trend
    readonly signs: Float64Array
    readonly rows: Map<number, Float64Array>
  } | null = null

  constructor(grid: ShapeGrid, noise: Noise, freeSteps: readonly Step[]) {
    this.grid = grid
    this.noise = noise
    this.freeShapes = freeSteps
    for (const values of [grid.steps.map(() => 1), ...freeSteps.flatMap((shape) => this.family(shape))]) {
      const before = whiten(values, noise)
      const size = Math.sqrt(dot(before, before))
      const column = this.project(before)
      const length = Math.sqrt(dot(column, column))
      if (length > 1e-6 * size) this.free.push(column.map((x) => x / length))
    }
    this.smooth = grid.whitened(noise).smooth.flatMap((shown) => this.unitColumn(shown) ?? [])
  }

  /** Values whitened and freed of the constant and the free steps. */
  reduce(values: Float64Array): Float64Array {
    return this.project(whiten(values, this.noise))
  }

  /** White noise freed of the constant and the free steps, in place. */
  project(whitened: Float64Array): Float64Array {
    for (const direction of this.free) {
      const share = dot(direction, whitened)
      for (let i = 0; i < whitened.length; i++) whitened[i]! -= share * direction[i]!
    }
    return whitened
  }

  /** The best smooth curve of a trend for reduced values. */
  fit(reduced: Float64Array, trend: Trend): SmoothFit {
    const { smooth } = this
    const { signs, rows } = this.under(trend)
    const gram = (k: number) =>
      remembered(rows, k, () => {
        const plain = remembered(this.gram, k, () => this.products(this.smooth[k]!, smooth))
        return plain.map((x, j) => x * signs[k]! * signs[j]!)
      })
    const target = new Float64Array(smooth.length)
    for (let j = 0; j < target.length; j++) target[j] = signs[j]! * dot(smooth[j]!.column, reduced)
    const nonnegative = nonnegativeFit(gram, target)
    const residual = reduced.slice()
    for (const j of nonnegative.active) {
      const weight = signs[j]! * nonnegative.weights[j]!
      const { column } = smooth[j]!
      for (let i = 0; i < residual.length; i++) residual[i]! -= weight * column[i]!
    }
    return { nonnegative, signs, residual, rss: dot(residual, residual) }
  }

  /** The sharp step of the grid that would help most beside the smooth curve; null when there is room for none. */
  bestStep({ nonnegative: { active, factor }, signs, residual }: SmoothFit): Gain | null {
    this.sharp ??= this.grid.whitened(this.noise).sharp.flatMap((shown) => this.unitColumn(shown) ?? [])
    const { sharp } = this
    const cross = active.map((k) => remembered(this.cross, k, () => this.products(this.smooth[k]!, sharp)))
    let best: Gain | null = null
    const overlap = new Float64Array(active.length)
    for (let j = 0; j < sharp.length; j++) {
      const { shape, column } = sharp[j]!
      const along = dot(column, residual)
      if (best && along * along <= best.gain * TOLD_APART) continue
      for (let k = 0; k < active.length; k++) overlap[k] = signs[active[k]!]! * cross[k]![j]!
      const gain = gainOf(along, overlap, factor)
      if (!best || gain > best.gain) best = { shape, gain }
    }
    return best
  }

  /** By how much one step would help beside the smooth curve. */
  gain({ nonnegative: { active, factor }, signs, residual }: SmoothFit, shape: Shape): number {
    const step = this.unitColumn({ shape, values: whiten(this.grid.show(shape).values, this.noise) })
    if (!step) return 0
    const overlap = Float64Array.from(active, (k) => signs[k]! * dot(step.column, this.smooth[k]!.column))
    return gainOf(dot(step.column, residual), overlap, factor)
  }

  /** The trend of the best fit; a turn must earn its keep against none. */
  bestTrend(reduced: Float64Array): Trend {
    const { from, to } = this.grid.axis
    const trends = [Number.POSITIVE_INFINITY, ...TURNS.map((share) => from + share * (to - from))].flatMap((turn) =>
      ([1, -1] as const).map((sign): Trend => ({ sign, turn })),
    )
    const cost = (trend: Trend) => {
      const { rss } = this.fit(reduced, trend)
      const points = reduced.length
      return points * Math.log(Math.max(rss, 1e-300)) + (Number.isFinite(trend.turn) ? 6 * Math.log(points) : 0)
    }
    return trends.map((trend) => ({ trend, cost: cost(trend) })).reduce((a, b) => (b.cost < a.cost ? b : a)).trend
  }

  /** The curve in the values' own units: smooth weights as fitted, the constant and the free steps by least squares. */
  curve(values: Float64Array, { nonnegative, signs }: SmoothFit): Curve {
    const parts = nonnegative.active.map((j) => {
      const { shape, length } = this.smooth[j]!
      return { shape, weight: (signs[j]! * nonnegative.weights[j]!) / length }
    })
    const smooth = (steps: ArrayLike<number>) =>
      parts.reduce(
        (sum, { shape, weight }) => {
          const shown = shapeValues(shape, steps, this.grid.axis)
          return sum.map((x, i) => x + weight * shown[i]!)
        },
        Float64Array.from(steps, () => 0),
      )
    const rest = smooth(this.grid.steps).map((x, i) => values[i]! - x)
    const columns = [this.grid.steps.map(() => 1), ...this.freeShapes.map((shape) => this.grid.show(shape).values)]
    const [constant, ...sizes] = leastSquares(
      columns.map((column) => whiten(column, this.noise)),
      whiten(rest, this.noise),
    )
    const at = (steps: ArrayLike<number>) =>
      this.freeShapes.reduce(
        (sum, shape, k) => {
          const shown = shapeValues(shape, steps, this.grid.axis)
          return sum.map((x, i) => x + sizes[k]! * shown[i]!)
        },
        smooth(steps).map((x) => x + constant!),
      )
    return { sizes, at }
  }

  /** Smooth columns with the signs of a trend. */
  private under(trend: Trend): { readonly signs: Float64Array; readonly rows: Map<number, Float64Array> } {
    if (this.signed?.trend === trend) return this.signed
    const signs = Float64Array.from(this.smooth, ({ shape }) =>
      placeOf(shape, this.grid.axis) < trend.turn ? trend.sign : -trend.sign,
    )
    this.signed = { trend, signs, rows: new Map() }
    return this.signed
  }

  /** A free step, and how it changes when it is moved or stretched: its place and width are known no better than that. */
  private family(step: Step): Float64Array[] {
    const { values } = this.grid.show(step)
    const moved = this.grid.show({ ...step, centre: step.centre + step.width / 20 }).values
    const stretched = this.grid.show({ ...step, width: step.width * 1.1 }).values
    return [values, moved.map((x, i) => x - values[i]!), stretched.map((x, i) => x - values[i]!)]
  }

  private products({ column }: Column, others: readonly Column[]): Float64Array {
    const all = new Float64Array(others.length)
    for (let j = 0; j < all.length; j++) all[j] = dot(column, others[j]!.column)
    return all
  }

  private unitColumn<Of extends Shape>({ shape, values }: Shown<Of>): Column<Of> | null {
    const size = Math.sqrt(dot(values, values))
    const column = this.project(values.slice())
    const length = Math.sqrt(dot(column, column))
    if (!(length > 1e-6 * size)) return null
    for (let i = 0; i < column.length; i++) column[i]! /= length
    return { shape, column, length }
  }
}

/** How far a step lowers the residual sum of squares: its share in the residual, once the smooth columns may move too. */
function gainOf(along: number, overlap: Float64Array, factor: Float64Array): number {
  const inside = forwardSubstitute(factor, overlap)
  const left = 1 - dot(inside, inside)
  return left < TOLD_APART ? 0 : (along * along) / left
}

/** Places of a turn that are tried, as shares of the axis. */
const TURNS = Array.from({ length: 13 }, (_, i) => (i + 1) / 14)

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Coefficients of independent columns. */
function leastSquares(columns: readonly Float64Array[], values: Float64Array): number[] {
  const gram = columns.map((a) => columns.map((b) => dot(a, b)))
  const target = columns.map((column) => dot(column, values))
  // Gaussian elimination; the columns are few and were told apart before.
  columns.forEach((_, k) => {
    for (let i = k + 1; i < columns.length; i++) {
      const share = gram[i]![k]! / gram[k]![k]!
      for (let j = k; j < columns.length; j++) gram[i]![j]! -= share * gram[k]![j]!
      target[i]! -= share * target[k]!
    }
  })
  const solution = new Array<number>(columns.length).fill(0)
  for (let k = columns.length - 1; k >= 0; k--) {
    const rest = solution.reduce((sum, x, j) => (j > k ? sum + gram[k]![j]! * x : sum), 0)
    solution[k] = (target[k]! - rest) / gram[k]![k]!
  }
  return solution
}

function remembered<Value>(map: Map<number, Value>, key: number, make: () => Value): Value {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
