import * as v from 'valibot'
import { adam, adamw } from './adam.ts'
import type { Optimiser } from './optimiser.ts'
import { sgd } from './sgd.ts'

const rate = v.pipe(v.number(), v.minValue(0))
const beta = v.pipe(v.number(), v.minValue(0), v.ltValue(1))

const common = {
  /** The largest learning rate; the schedule multiplies it. */
  learningRate: rate,
  weightDecay: v.optional(rate, 0),
  /** What decays: every parameter, or only weights (no biases, no norms). */
  decays: v.optional(v.picklist(['all', 'weights']), 'all'),
}
const adamNumbers = { betas: v.optional(v.tuple([beta, beta]), [0.9, 0.999]), epsilon: v.optional(rate, 1e-8) }

/** An optimiser as plain data. */
export const optimiserSchema = v.variant('name', [
  v.strictObject({ name: v.literal('adamw'), ...common, ...adamNumbers }),
  v.strictObject({ name: v.literal('adam'), ...common, ...adamNumbers }),
  v.strictObject({ name: v.literal('sgd'), ...common, momentum: v.optional(beta, 0) }),
])

/** An optimiser as plain data: its name, numbers and largest learning rate. */
export type OptimiserSpec = v.InferOutput<typeof optimiserSchema>

/** The update rule that a spec names. */
export function createOptimiser(spec: OptimiserSpec): Optimiser {
  switch (spec.name) {
    case 'adamw':
      return adamw(spec)
    case 'adam':
      return adam(spec)
    case 'sgd':
      return sgd(spec)
  }
}

export type { Optimiser } from './optimiser.ts'
