import type { Tensor } from '../../tensor/index.ts'

/** What an optimiser sees of one parameter at one step. */
export interface Update {
  readonly parameter: Tensor
  readonly gradient: Tensor
  /** The parameter's moments, in the order of `Optimiser.moments`. */
  readonly moments: readonly Tensor[]
  /** Scalar, float32. */
  readonly learningRate: Tensor
  /** The number of this step counted from 1: scalar, float64. */
  readonly step: Tensor
  /** The fraction of the parameter that decay pulls off per unit of learning rate; 0 where the parameter is exempt. */
  readonly weightDecay: number
}

/** What replaces a parameter and its moments. */
export interface Updated {
  readonly parameter: Tensor
  readonly moments: readonly Tensor[]
}

/** An update rule, traced for one parameter. */
export interface Optimiser {
  /** Names of what it remembers per parameter; each has the parameter's shape and starts at zero. */
  readonly moments: readonly string[]
  readonly weightDecay: number
  update(update: Update): Updated
}
