import type { Tensor } from '../../tensor/index.ts'
import { shareCommonSubexpressions } from './common-subexpressions.ts'
import { foldConstants } from './fold-constants.ts'
import { padProducts } from './pad-products.ts'
import { pickColumns } from './pick-columns.ts'
import { shareRows } from './share-rows.ts'
import { shareTransposes } from './share-transposes.ts'
import { sinkSlices } from './sink-slices.ts'

/** All passes in order; dead code needs none, because only what the outputs reach is ever visited. Same outputs, in order. */
export function optimise(outputs: readonly Tensor[]): Tensor[] {
  const narrowed = foldConstants(narrow(shareCommonSubexpressions(outputs)))
  return shareTransposes(shareCommonSubexpressions(padProducts(narrowed)))
}

/**
 * The passes that leave out what nobody reads, or what is computed elsewhere already. Run them also before differentiating: the gradient of a narrowed graph
 * never leaves the parts that matter.
 */
export function narrow(outputs: readonly Tensor[]): Tensor[] {
  return pickColumns(shareRows(sinkSlices(outputs)))
}
