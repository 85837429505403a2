import type { ReadoutContext } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { constant, type Tensor } from '../../tensor/index.ts'

/**
 * A norm with its scale held at this run's value is a linear map x -> w * (x - mean(x)) / scale + b (no mean for RMS norms):
 * what a sum of parts goes through part by part.
 */
export interface FrozenNorm {
  /** Parts [n, c, d] centred and divided by the scale, without the norm's weight. */
  readonly normalize: (parts: Tensor) => Tensor
  /** The norm's weight on the last axis. */
  readonly weigh: (x: Tensor) => Tensor
  /** The direction [n, d] that parts before the norm have to be multiplied with, for one given after it; perhaps without the norm's weight. */
  readonly pullBack: (direction: Tensor, weighed?: boolean) => Tensor
  /** The norm's own bias [d], where it has one. */
  readonly bias: Tensor | undefined
}

/** The norm called `name` (`ln_final`) frozen at one position of a run; undefined where the model has no such norm. */
export function frozenNorm(
  { activation, weight, hasWeight }: ReadoutContext,
  config: ModelConfig,
  name: string,
  position: number,
): FrozenNorm | undefined {
  const { normalization_type, norm_weight_offset } = config
  if (normalization_type === null || (name === 'ln_final' && !config.final_norm)) return undefined
  const scale = activation(`${name}.hook_scale`).get(':', position) // [n, 1]
  const centre = (x: Tensor) => (normalization_type.startsWith('LN') ? x.sub(x.mean(-1, true)) : x)
  const weigh = (x: Tensor) =>
    hasWeight(`${name}.w`) ? x.mul(weight(`${name}.w`).add(constant(norm_weight_offset))) : x
  return {
    normalize: (parts) => centre(parts).div(scale.unsqueeze(1)),
    weigh,
    pullBack: (direction, weighed = true) => centre(weighed ? weigh(direction) : direction).div(scale),
    bias: hasWeight(`${name}.b`) ? weight(`${name}.b`) : undefined,
  }
}

/** The hooks that `frozenNorm` looks at. */
export function frozenNormReads(config: ModelConfig, name: string): string[] {
  const absent = config.normalization_type === null || (name === 'ln_final' && !config.final_norm)
  return absent ? [] : [`${name}.hook_scale`]
}
