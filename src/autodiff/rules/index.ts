import type { PrimitiveName } from '../../tensor/index.ts'
import type { VjpRule } from '../rule.ts'
import { contractionRules } from './contraction.ts'
import { elementwiseRules } from './elementwise.ts'
import { indexingRules } from './indexing.ts'
import { reductionRules } from './reduction.ts'
import { shapeRules } from './shape.ts'

/**
 * How every primitive of the closed list is differentiated. 'none': no gradient flows through it, because it is a
 * source, its result is not a float, its slope is zero almost everywhere (steps), or it is there to stop gradients.
 */
export const vjpRules: Readonly<Record<PrimitiveName, VjpRule | 'none'>> = {
  input: 'none',
  constant: 'none',
  iota: 'none',
  sign: 'none',
  floor: 'none',
  not: 'none',
  stop_gradient: 'none',
  equal: 'none',
  less: 'none',
  and: 'none',
  or: 'none',
  argmax: 'none',
  top_k_indices: 'none',
  ...elementwiseRules,
  ...shapeRules,
  ...reductionRules,
  ...indexingRules,
  ...contractionRules,
}
