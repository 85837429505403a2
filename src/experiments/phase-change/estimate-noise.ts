import type { Points } from './averaged-points.ts'
import { CurveModel } from './curve-model.ts'
import type { Noise } from './noise-model.ts'
import { refineStep } from './refine-step.ts'
import type { ShapeGrid } from './shape-grid.ts'
import type { Step } from './shapes.ts'

/** Steps that may be taken out of the values before their noise is measured. */
const MOST_STEPS = 6
const PASSES = 3
/** Noise more correlated than this is a drift, which no test tells from a trend. */
const MOST_CORRELATED = 0.95

/**
 * The noise around a curve, measured where neither smooth curve nor sharp steps reach: as many steps are taken out as the
 * Bayesian information criterion allows. `least` is the smallest innovation that is believed.
 */
export function estimateNoise(points: Points, grid: ShapeGrid, least: number): Noise {
  const scale = new Float64Array(points.steps.length).fill(1)
  let correlation = 0
  // The steps that are taken out depend on how correlated the noise is taken to be.
  for (let pass = 0; pass < PASSES; pass++) correlation = correlationOf(leftOver(points, grid, { correlation, scale }))
  return { correlation, scale: localScale(leftOver(points, grid, { correlation, scale }), least) }
}

/** What an over-rich fit leaves, whitened, with the number of its parameters. */
interface LeftOver {
  /** In the values' own units. */
  readonly raw: Float64Array
  readonly whitened: Float64Array
  readonly parameters: number
}

function leftOver(points: Points, grid: ShapeGrid, noise: Noise): LeftOver {
  const shapes: Step[] = []
  const count = points.steps.length
  let model = new CurveModel(grid, noise, shapes)
  const trend = model.bestTrend(model.reduce(points.values))
  let fit = model.fit(model.reduce(points.values), trend)
  while (shapes.length < MOST_STEPS) {
    const best = model.bestStep(fit)
    if (!best) break
    const shape = refineStep(model, fit, best.shape, grid.axis)
    const gain = model.gain(fit, shape)
    if (count * Math.log(fit.rss / Math.max(fit.rss - gain, 1e-300)) < 3 * Math.log(count)) break
    shapes.push(shape)
    model = new CurveModel(grid, noise, shapes)
    fit = model.fit(model.reduce(points.values), trend)
  }
  const curve = model.curve(points.values, fit).at(points.steps)
  return {
    raw: points.values.map((value, i) => value - curve[i]!),
    whitened: fit.residual,
    parameters: 1 + fit.nonnegative.active.length + 3 * shapes.length,
  }
}

/**
 * Lag-1 correlation of the noise. What a fit takes away makes residuals of p parameters look less correlated than the
 * noise is, by about p (1 + r) / count; that is added back, and one standard error, because too little is the costlier error.
 */
function correlationOf({ raw: residual, parameters }: LeftOver): number {
  let [products, squares] = [0, 0]
  for (let i = 0; i < residual.length; i++) {
    squares += residual[i]! ** 2
    if (i > 0) products += residual[i]! * residual[i - 1]!
  }
  const seen = squares === 0 ? 0 : products / squares
  const count = residual.length
  const restored = seen + (parameters * (1 + Math.max(seen, 0))) / count
  const careful = restored + Math.sqrt(Math.max(0, 1 - Math.min(restored, 1) ** 2) / count)
  return Math.min(MOST_CORRELATED, Math.max(0, careful))
}

/** Root mean square of the residual around every point, within a sixth of the points; never far below the mean of all. */
function localScale({ whitened: residual, parameters }: LeftOver, least: number): Float64Array {
  const count = residual.length
  const enlarged = count / Math.max(count - parameters, count / 2)
  const squares = residual.map((x) => enlarged * x * x)
  const whole = squares.reduce((sum, x) => sum + x, 0) / count
  const reach = Math.max(6, Math.round(count / 12))
  const floor = Math.max(least, 0.25 * Math.sqrt(whole))
  return squares.map((_, i) => {
    const near = squares.subarray(Math.max(0, i - reach), Math.min(count, i + reach + 1))
    return Math.max(floor, Math.sqrt(near.reduce((sum, x) => sum + x, 0) / near.length))
  })
}
