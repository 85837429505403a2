/**
 * Phase changes in a training curve: did something happen suddenly, when, and is it more than a smooth curve in noise?
 *
 * Every training curve falls or rises anyway. A phase change is a part of the fall or rise that is shorter than anything
 * smooth allows. Here "smooth" is a cone of curves: sums, with weights of one sign (or of two, before and after one turn),
 * of exponential relaxations of all rates and of logistic steps as long as one relaxation (on a log axis; a quarter of the
 * run on a linear one). It holds power laws, stretched exponentials, their sums, and delayed S-shaped curves.
 *
 *     values = smooth curve + sharp logistic steps + first-order autoregressive noise (its scale may change along the run)
 *
 * The statistic is the largest gain F = (RSS without - RSS with one more sharp step) / RSS with it, over all places and
 * widths, in whitened values. Its null is simulated: the fitted curve so far plus noise as estimated, fitted and scanned
 * anew, so the p-value pays for every place and width that was looked at. Steps are added one by one until one fails, so
 * with k true changes the chance of any false one stays below the level.
 *
 * How it misleads: steepness depends on the axis, and a learning rate that is cut near the end makes a sharp fall on a log
 * axis. A spike is two changes. Noise that is not autoregressive shows in the checks. A change between two logged points
 * cannot be placed more finely than these.
 *
 * Sources: Lawson & Hanson 1974 (non-negative least squares); Bernstein 1928 (completely monotone curves are mixtures of
 * exponentials); Davison & Hinkley 1997, ch. 4 (parametric bootstrap tests); Besag & Clifford 1991 (stopping them early).
 */
import { DiopterError } from '../errors/index.ts'
import type { Check } from '../methods/index.ts'
import { randomSource } from '../random/index.ts'
import { averagedPoints, type Points } from './phase-change/averaged-points.ts'
import { changeChecks, notEnough } from './phase-change/checks.ts'
import { CurveModel, type Trend } from './phase-change/curve-model.ts'
import { estimateNoise } from './phase-change/estimate-noise.ts'
import type { Noise } from './phase-change/noise-model.ts'
import { refineStep } from './phase-change/refine-step.ts'
import { ShapeGrid } from './phase-change/shape-grid.ts'
import { type Step, type StepAxis, type StepScale, stepAxis } from './phase-change/shapes.ts'

/** A logged curve. */
export interface TrainingCurve {
  /** Rising, from 0 or more. */
  readonly steps: readonly number[]
  readonly values: readonly number[]
}

/** How a curve is looked at. */
export interface PhaseChangeOptions {
  /** The axis on which a change counts as short: `log` where learning takes place over orders of magnitude of steps. */
  readonly scale: StepScale
  /** `log` looks at the logarithms of positive values: changes of a loss that spans decades. `linear` unless said. */
  readonly values?: 'linear' | 'log'
  readonly seed: number
  /** Curves simulated for each p-value, at least 200. */
  readonly nulls: number
}

/** One phase change. */
export interface PhaseChange {
  /** Steps from 10 % to 90 % of it, never finer than the logged steps around its centre. */
  readonly interval: readonly [number, number]
  /** The step half way. */
  readonly center: number
  /** Its height beside the smooth curve. */
  readonly effect: {
    /** As a share of the whole curve's range (of the fitted values). */
    readonly share: number
    /** In standard deviations of the noise around the curve. */
    readonly sigmas: number
  }
  /** How many times shorter it is (10-90 on the axis) than the longest that counts: one relaxation, or a quarter of a linear axis. */
  readonly sharpness: number
  /** Chance of as large a gain anywhere in a smooth curve with this noise; at least 1 / (nulls + 1). */
  readonly pValue: number
  readonly direction: 'rise' | 'fall'
}

/** What was found. */
export interface PhaseChanges {
  /** By step. */
  readonly changes: readonly PhaseChange[]
  readonly checks: readonly Check[]
}

/** Fewer points than this cannot tell a step from a smooth curve. */
const FEWEST_POINTS = 30
/** The level of the test. */
const LEVEL = 0.05
/** Changes below this share of the curve's range are not reported: no smooth family is exact to the last percent. */
const SMALLEST_SHARE = 0.05
/** Noise is taken to be at least this share of the range, for the same reason. */
const LEAST_NOISE = 0.002
/** A step this many times shorter than the longest is told from it. */
const SHARPER = 1.1
/** Sharp steps looked for; more would be a staircase. */
const MOST_STEPS = 6

/** A sharp step that passed its test. */
interface Found {
  readonly shape: Step
  readonly pValue: number
}

/**
 * Finds the phase changes of a curve, each with its interval, effect and p-value, and the checks of what was assumed. Throws
 * for steps that do not rise or are negative, values that are not finite (or not positive, for `values: 'log'`), and fewer
 * than 200 nulls.
 */
export function detectPhaseChanges(curve: TrainingCurve, options: PhaseChangeOptions): PhaseChanges {
  const values = readValues(curve, options)
  const { steps } = curve
  if (steps.length < FEWEST_POINTS)
    return {
      changes: [],
      checks: [notEnough(`${steps.length} points were logged; at least ${FEWEST_POINTS} are needed`)],
    }
  const range = Math.max(...values) - Math.min(...values)
  if (range <= 1e-12 * Math.max(...values.map(Math.abs)))
    return { changes: [], checks: [notEnough('the curve is constant')] }
  const axis = stepAxis(steps, options.scale)
  const points = averagedPoints(steps, values, axis)
  const grid = new ShapeGrid(points.steps, axis)
  const noise = estimateNoise(points, grid, LEAST_NOISE * range)

  const accepted: Found[] = []
  let model = new CurveModel(grid, noise, [])
  let reduced = model.reduce(points.values)
  const trend = model.bestTrend(reduced)
  for (let round = 0; round < MOST_STEPS; round++) {
    const fit = model.fit(reduced, trend)
    const best = model.bestStep(fit)
    if (!best) break
    const fitted = reduced.map((x, i) => x - fit.residual[i]!)
    const random = randomSource(options.seed, 'phase change', round)
    const statistic = best.gain / (fit.rss - best.gain)
    const pValue = simulatedTail(statistic, options.nulls, () => {
      const white = model.project(fitted.map(() => random.normal()))
      const drawn = model.fit(
        fitted.map((x, i) => x + white[i]!),
        trend,
      )
      const gain = model.bestStep(drawn)?.gain ?? 0
      return gain / (drawn.rss - gain)
    })
    if (pValue > LEVEL) break
    const shapes = accepted.map(({ shape }) => shape)
    const shape = refineStep(model, fit, best.shape, axis)
    accepted.push({ shape, pValue })
    model = new CurveModel(grid, noise, [...shapes, shape])
    reduced = model.reduce(points.values)
  }
  const found = settle(accepted, points, grid, noise, trend)
  return report(curve, values, grid, points, noise, trend, found, options.values)
}

/** Each step once more, beside the others: the first was placed before the others were known. */
function settle(found: readonly Found[], points: Points, grid: ShapeGrid, noise: Noise, trend: Trend): Found[] {
  if (found.length < 2) return [...found]
  const settled = [...found]
  settled.forEach((own, i) => {
    const others = settled.filter((_, j) => j !== i).map(({ shape }) => shape)
    const model = new CurveModel(grid, noise, others)
    const fit = model.fit(model.reduce(points.values), trend)
    settled[i] = { ...own, shape: refineStep(model, fit, own.shape, grid.axis) }
  })
  return settled
}

/**
 * The share of simulated statistics, the observed one counted in, that are as large as it. Stops once so many were larger
 * that the test fails whatever follows.
 */
function simulatedTail(statistic: number, nulls: number, draw: () => number): number {
  const enough = Math.ceil(LEVEL * (nulls + 1))
  let larger = 0
  for (let drawn = 1; drawn <= nulls; drawn++) {
    if (draw() >= statistic) larger++
    if (larger === enough) return (1 + larger) / (1 + drawn)
  }
  return (1 + larger) / (1 + nulls)
}

function report(
  { steps }: TrainingCurve,
  values: readonly number[],
  grid: ShapeGrid,
  points: Points,
  noise: Noise,
  trend: Trend,
  found: readonly Found[],
  scale: PhaseChangeOptions['values'],
): PhaseChanges {
  const { axis } = grid
  const model = new CurveModel(
    grid,
    noise,
    found.map(({ shape }) => shape),
  )
  const fit = model.fit(model.reduce(points.values), trend)
  const curve = model.curve(points.values, fit)
  const fitted = curve.at(steps)
  const range = Math.max(...fitted) - Math.min(...fitted)
  const sigma = Math.sqrt(values.reduce((sum, value, i) => sum + (value - fitted[i]!) ** 2, 0) / values.length)
  const changes = found
    .map(({ shape, pValue }, i): PhaseChange => {
      const size = curve.sizes[i]!
      return {
        interval: bracketed(shape, axis, steps),
        center: axis.step(shape.centre),
        effect: { share: Math.abs(size) / range, sigmas: Math.abs(size) / sigma },
        sharpness: axis.longest / shape.width,
        pValue,
        direction: size > 0 ? 'rise' : 'fall',
      }
    })
    .filter(({ effect, sharpness }) => effect.share >= SMALLEST_SHARE && sharpness >= SHARPER)
    .sort((a, b) => a.center - b.center)
  const positive = values.every((value) => value > 0)
  return {
    changes,
    checks: changeChecks({
      residual: fit.residual,
      pointsWithin: changes.map(
        ({ interval: [from, to] }) => steps.filter((step) => step >= from && step <= to).length,
      ),
      ratio: scale === 'log' || !positive ? null : Math.max(...values) / Math.min(...values),
    }),
  }
}

/** From 10 % to 90 % of a step, widened to the logged steps around its centre. */
function bracketed({ centre, width }: Step, axis: StepAxis, steps: readonly number[]): [number, number] {
  const middle = axis.step(centre)
  const before = steps.findLast((step) => step <= middle) ?? steps[0]!
  const after = steps.find((step) => step >= middle) ?? steps[steps.length - 1]!
  return [Math.min(axis.step(centre - width / 2), before), Math.max(axis.step(centre + width / 2), after)]
}

function readValues({ steps, values }: TrainingCurve, { values: scale, nulls }: PhaseChangeOptions): readonly number[] {
  if (!(Number.isInteger(nulls) && nulls >= 200))
    throw new DiopterError(`nulls ${nulls} was asked for; a p-value of 0.05 needs at least 200 simulated curves.`)
  if (steps.length !== values.length)
    throw new DiopterError(`The curve has ${steps.length} steps and ${values.length} values; give one value per step.`)
  steps.forEach((step, i) => {
    if (!Number.isFinite(step) || step < 0)
      throw new DiopterError(`steps[${i}] is ${step}; steps are finite numbers from 0.`)
    if (i > 0 && step <= steps[i - 1]!)
      throw new DiopterError(`steps[${i}] is ${step} after ${steps[i - 1]}; steps must rise.`)
  })
  values.forEach((value, i) => {
    if (!Number.isFinite(value))
      throw new DiopterError(
        `The value at step ${steps[i]} is ${value}; leave such points out, or cut the curve there.`,
      )
    if (scale === 'log' && value <= 0)
      throw new DiopterError(`The value at step ${steps[i]} is ${value}; \`values: 'log'\` needs positive values.`)
  })
  return scale === 'log' ? values.map(Math.log) : values
}
