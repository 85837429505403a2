import { constant } from './creation.ts'
import type { Tensor } from './tensor.ts'

/** What a norm computes before its own weight and bias. */
export interface Standardized {
  /** sqrt(variance + epsilon), or sqrt(mean of squares + epsilon): [..., 1]. */
  readonly scale: Tensor
  /** The input (centred for layer norm) divided by `scale`: [..., d]. */
  readonly normalized: Tensor
}

/** Passes a tensor on, perhaps changed: how a caller looks into a composite. */
export type Tap = (x: Tensor) => Tensor

const same: Tap = (x) => x

/**
 * Layer norm of the last axis without weight and bias: (x - mean) / sqrt(variance + epsilon).
 * `tapScale` and `tapNormalized` see (and may change) the two intermediate results.
 */
export function layerNorm(x: Tensor, epsilon: number, tapScale: Tap = same, tapNormalized: Tap = same): Standardized {
  return standardize(x.sub(x.mean(-1, true)), epsilon, tapScale, tapNormalized)
}

/** RMS norm of the last axis without weight: x / sqrt(mean(x^2) + epsilon). */
export function rmsNorm(x: Tensor, epsilon: number, tapScale: Tap = same, tapNormalized: Tap = same): Standardized {
  return standardize(x, epsilon, tapScale, tapNormalized)
}

function standardize(x: Tensor, epsilon: number, tapScale: Tap, tapNormalized: Tap): Standardized {
  const scale = tapScale(x.square().mean(-1, true).add(constant(epsilon, x.dtype)).sqrt())
  return { scale, normalized: tapNormalized(x.div(scale)) }
}

/** Cross-entropy of each target under `logits` [..., V]: -log softmax(logits)[target], for integer targets [...]. */
export function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const peak = logits.max(-1, true).stopGradient() // [..., 1]
  // targets [...] -> [..., 1] to pick along the vocabulary axis; the differences to the peak are exact where it counts
  const picked = logits.gatherElements(targets.unsqueeze(-1))
  return logits.logSumExpAbove(peak).add(peak.sub(picked)).squeeze(-1)
}
