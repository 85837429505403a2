import { DiopterError, nearMatches } from '../errors/index.ts'
import type { ArmResult } from './experiment.ts'
import type { PlannedBar } from './plan.ts'
import { comparisons } from './spec.ts'

/** How a bar came out with one seed. */
export interface SeedOutcome {
  readonly seed: number
  readonly value: number
  readonly passed: boolean
}

/** A bar, what every seed gave, and whether enough of them passed. */
export interface BarOutcome extends PlannedBar {
  readonly seeds: readonly SeedOutcome[]
  readonly met: boolean
}

/**
 * Holds bars against results. A measure that is not a number passes no bar.
 * @throws DiopterError when an arm did not measure what a bar reads.
 */
export function holdBars(bars: readonly PlannedBar[], results: readonly ArmResult[]): BarOutcome[] {
  return bars.map((bar) => {
    const seeds = results
      .filter(({ arm }) => arm === bar.arm)
      .map(({ seed, measures }) => {
        const value = measures.scalars[bar.measure]
        if (value === undefined) throw missing(bar, Object.keys(measures.scalars))
        return { seed, value, passed: comparisons[bar.comparison](value, bar.limit) }
      })
    return { ...bar, seeds, met: seeds.filter(({ passed }) => passed).length >= bar.needed }
  })
}

function missing({ id, arm, measure }: PlannedBar, measured: readonly string[]): DiopterError {
  return new DiopterError(
    `The bar '${id}' reads '${measure}', which the arm '${arm}' did not measure. Near: ${nearMatches(measure, measured, 3).join(', ')}. All: ${measured.join(', ')}.`,
  )
}
