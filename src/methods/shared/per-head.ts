import type { ModelConfig } from '../../models/index.ts'
import { type Tensor, tensor } from '../../tensor/index.ts'

/** Keys, values or their weights with one entry per head along `axis`, where a group of heads shares one: Hk -> H. */
export function perHead({ n_heads, n_key_value_heads }: ModelConfig, x: Tensor, axis: number): Tensor {
  if (x.shape[axis] === n_heads) return x
  const shared = n_heads / n_key_value_heads
  const groups = Array.from({ length: n_heads }, (_, head) => Math.floor(head / shared))
  return x.gather(tensor(groups, undefined, 'int64'), axis)
}
