import type { ModelConfig } from '../config.ts'
import { centerUnembedding, centerWritingWeights } from './center.ts'
import { foldNorms } from './fold-norms.ts'
import { foldValueBiases } from './fold-value-biases.ts'
import type { Draft, Weights } from './values.ts'

export type { Weights, WeightValues } from './values.ts'

/** Which rewritings of the weights to make; each leaves the model's probabilities as they are. Off unless asked for. */
export interface ProcessingOptions {
  /** Norm weights and biases into the weights that read them. */
  readonly fold_ln?: boolean
  /** Everything written to the residual stream has mean zero over d_model (layer-norm models only). */
  readonly center_writing_weights?: boolean
  /** Logits have mean zero over the vocabulary: they shift, their differences stay. */
  readonly center_unembed?: boolean
  /** Value biases into the attention output's bias. */
  readonly fold_value_biases?: boolean
}

/** A model after processing: `publicParameters(config, shapes of weights)` describes how it is stored. */
export interface ProcessedModel {
  readonly config: ModelConfig
  readonly weights: Weights
}

/** The steps in the order in which they are made; the order matters for the values, not for the function. */
const STEPS: readonly (readonly [keyof ProcessingOptions, (config: ModelConfig, weights: Draft) => ModelConfig])[] = [
  ['fold_ln', foldNorms],
  ['center_writing_weights', centerWritingWeights],
  ['center_unembed', centerUnembedding],
  ['fold_value_biases', foldValueBiases],
]

/**
 * Rewrites the weights, given and returned by public name in public shape, without changing what the model predicts
 * (Elhage et al. 2021; TransformerLens's `process_weights_`). Sums are taken in float64; nothing given is changed.
 * @throws DiopterError with the reason where an option would not be exact for this model.
 */
export function processWeights(config: ModelConfig, weights: Weights, options: ProcessingOptions): ProcessedModel {
  const draft: Draft = new Map(weights)
  let processed = config
  for (const [option, step] of STEPS) if (options[option]) processed = step(processed, draft)
  return { config: processed, weights: draft }
}
