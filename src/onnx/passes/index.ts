import type { Tensor } from '../../tensor/index.ts'
import { shareCommonSubexpressions } from './common-subexpressions.ts'
import { foldConstants } from './fold-constants.ts'
import { sinkSlices } from './sink-slices.ts'

/** All passes in order; dead code needs none, because only what the outputs reach is ever visited. Same outputs, in order. */
export function optimise(outputs: readonly Tensor[]): Tensor[] {
  return shareCommonSubexpressions(foldConstants(sinkSlices(shareCommonSubexpressions(outputs))))
}
