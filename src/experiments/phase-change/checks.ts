import type { Check } from '../../methods/index.ts'

/** The check that stands alone where a curve allows no test. */
export function notEnough(why: string): Check {
  return {
    name: 'the curve can be tested',
    claimed: 'enough points that are not all the same',
    measured: null,
    verdict: 'not tested',
    why,
  }
}

/** What the checks look at. */
export interface Examined {
  /** Whitened residual of the final fit, about white with variance 1. */
  readonly residual: Float64Array
  /** Logged points within the interval of every change, its ends included. */
  readonly pointsWithin: readonly number[]
  /** Largest over smallest value of a positive curve that is looked at as it is; null otherwise. */
  readonly ratio: number | null
}

/** Correlations of the whitened residual that are looked at. */
const LAGS = 5
const OUTLIER = 5
const FEWEST_WITHIN = 3
const DECADES = 100

/** Whether the curve is as the test assumes. */
export function changeChecks({ residual, pointsWithin, ratio }: Examined): Check[] {
  const lags = Array.from({ length: LAGS }, (_, i) => autocorrelation(residual, i + 1))
  const largest = Math.max(...lags.map(Math.abs))
  // The largest of five correlations of white noise, and half as much again for what a fit takes away.
  const most = 4 / Math.sqrt(residual.length)
  const deviation = Math.sqrt(residual.reduce((sum, x) => sum + x * x, 0) / residual.length)
  const extreme = Math.max(...residual.map(Math.abs)) / deviation
  const checks: Check[] = [
    {
      name: 'the rest is noise',
      claimed: `what the smooth curve and its changes leave is white: correlations at lags 1 to ${LAGS} at most ${most.toFixed(2)}`,
      measured: largest,
      threshold: most,
      verdict: largest <= most ? 'holds' : 'fails',
      why: 'a pattern in the rest is a curve that is neither smooth nor stepped (oscillations, several turns): p-values then lean on the wrong null',
    },
    {
      name: 'the noise has no outliers',
      claimed: `no point lies more than ${OUTLIER} standard deviations from the curve`,
      measured: extreme,
      threshold: OUTLIER,
      verdict: extreme <= OUTLIER ? 'holds' : 'fails',
      why: 'spikes (a slingshot, one bad batch) are no lasting change, but may pass for two',
    },
  ]
  if (pointsWithin.length > 0)
    checks.push({
      name: 'changes are resolved',
      claimed: `every change has at least ${FEWEST_WITHIN} logged points within its interval`,
      measured: Math.min(...pointsWithin),
      threshold: FEWEST_WITHIN,
      verdict: Math.min(...pointsWithin) >= FEWEST_WITHIN ? 'holds' : 'fails',
      why: 'a change between two logged points may be shorter than its interval says; log more often there',
    })
  if (ratio !== null)
    checks.push({
      name: 'the values have one scale',
      claimed: `the largest value is at most ${DECADES} times the smallest`,
      measured: ratio,
      threshold: DECADES,
      verdict: ratio <= DECADES ? 'holds' : 'fails',
      why: "changes among the small values are invisible beside the large ones; `values: 'log'` shows them",
    })
  return checks
}

function autocorrelation(values: Float64Array, lag: number): number {
  let [products, squares] = [0, 0]
  values.forEach((x, i) => {
    squares += x * x
    if (i >= lag) products += x * values[i - lag]!
  })
  return squares === 0 ? 0 : products / squares
}
