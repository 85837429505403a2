import type { Model, Provenance } from '../lab/index.ts'
import type { Check } from './checks.ts'

/** What a piece of work took. */
export interface Cost {
  readonly milliseconds: number
  /** Sessions created: graphs of a new structure, and promotions to resident weights. */
  readonly compiles: number
  /** Graphs run, those of the checks included. */
  readonly runs: number
  /** Edited versions of a run whose metric was computed, those of the checks included. */
  readonly variants: number
}

/** What every method returns. Values are plain JSON: nested arrays of numbers, null where there is none. */
export interface MethodResult<Values> {
  readonly values: Values
  readonly checks: readonly Check[]
  readonly cost: Cost
  readonly provenance: Provenance
  /** False when the work was cancelled: `values` and `checks` hold what was done until then. */
  readonly complete: boolean
}

/** Counts what is spent from its creation on. */
export class Meter {
  variants = 0
  private readonly model: Model
  private readonly started = performance.now()
  private readonly before: { readonly compiles: number; readonly runs: number }

  constructor(model: Model) {
    this.model = model
    this.before = model.engine.statistics
  }

  get cost(): Cost {
    const { compiles, runs } = this.model.engine.statistics
    return {
      milliseconds: Math.round(performance.now() - this.started),
      compiles: compiles - this.before.compiles,
      runs: runs - this.before.runs,
      variants: this.variants,
    }
  }
}
