import { einsum, type Tensor } from '../../tensor/index.ts'
import type { Forward } from '../forward.ts'

/**
 * A weight applied to the features of every token: x [...tokens, <features>] and a weight with axes <axes> give
 * [...tokens, <result>], in einsum's letters without those of the tokens, for example
 * `contract(x, 'd', W_Q, 'hde', 'he')`.
 */
export function contract(x: Tensor, features: string, weight: Tensor, axes: string, result: string): Tensor {
  const tokens = 'uvwxyz'.slice(0, x.rank - features.length)
  return einsum(`${tokens}${features},${axes}->${tokens}${result}`, x, weight)
}

/** x plus the bias of that name, where the model has it. */
export function addBias(forward: Forward, x: Tensor, name: string): Tensor {
  return forward.hasWeight(name) ? x.add(forward.weight(name)) : x
}
