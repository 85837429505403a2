import { crossEntropy, type Tensor } from '../tensor/index.ts'

/**
 * Cross-entropy of each target under `logits` [..., V] in float64, for integer targets [...], in nats.
 * float32's log-softmax cannot tell losses below about 1e-7 apart, which stalls or spikes long trainings (Nanda et al. 2023).
 */
export function preciseCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  return crossEntropy(logits.cast('float64'), targets)
}

/** The share of rows of `logits` [..., V] whose largest entry is the target [...]: scalar float32. */
export function accuracy(logits: Tensor, targets: Tensor): Tensor {
  return logits.argmax(-1).equal(targets.cast('int64')).cast('float32').mean()
}
