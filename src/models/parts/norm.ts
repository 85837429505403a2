import { constant, layerNorm, rmsNorm, type Tensor } from '../../tensor/index.ts'
import type { Forward } from '../forward.ts'

/**
 * The norm called `name` (`blocks.0.ln1`) of x [...tokens, d], with its own weight and bias where it has them.
 * Hooks see the scale [...tokens, 1] and the normalized x before weight and bias. Without norms, x itself.
 */
export function norm(
  forward: Pick<Forward, 'config' | 'hook' | 'weight' | 'hasWeight'>,
  name: string,
  x: Tensor,
): Tensor {
  const { normalization_type, eps, norm_weight_offset } = forward.config
  if (normalization_type === null) return x
  const standardize = normalization_type.startsWith('LN') ? layerNorm : rmsNorm
  const { normalized } = standardize(
    x,
    eps,
    (scale) => forward.hook(`${name}.hook_scale`, scale),
    (y) => forward.hook(`${name}.hook_normalized`, y),
  )
  let y = normalized
  if (forward.hasWeight(`${name}.w`)) {
    const stored = forward.weight(`${name}.w`)
    y = y.mul(norm_weight_offset === 0 ? stored : stored.add(constant(norm_weight_offset, stored.dtype)))
  }
  return forward.hasWeight(`${name}.b`) ? y.add(forward.weight(`${name}.b`)) : y
}
