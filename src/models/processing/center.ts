import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig } from '../config.ts'
import { centerLastAxis, type Draft } from './values.ts'

/**
 * Takes from everything that writes to the residual stream its mean over d_model. Exact where every reader of the stream
 * is a layer norm, which takes the mean away anyhow.
 */
export function centerWritingWeights(config: ModelConfig, weights: Draft): ModelConfig {
  if (!config.normalization_type?.startsWith('LN')) {
    throw new DiopterError(
      `center_writing_weights: the residual stream is read by ${config.normalization_type ?? 'no norm'}, which does not take the mean away; only layer norms do.`,
    )
  }
  if (!config.final_norm) {
    throw new DiopterError(
      'center_writing_weights: without a final layer norm the unembedding reads the mean of the residual stream.',
    )
  }
  if (config.post_norms) {
    throw new DiopterError(
      'center_writing_weights: norms after attention and MLP write to the residual stream here, and their output cannot be centred through the weights.',
    )
  }
  // Shortformer positions never enter the residual stream.
  const positions = config.positional_embedding_type === 'standard' ? ['pos_embed.W_pos'] : []
  const blocks = Array.from({ length: config.n_layers }, (_, l) =>
    ['attn.W_O', 'attn.b_O', 'mlp.W_out', 'mlp.b_out'].map((name) => `blocks.${l}.${name}`),
  )
  for (const name of ['embed.W_E', ...positions, ...blocks.flat()]) {
    const values = weights.get(name)
    if (values) weights.set(name, centerLastAxis(values))
  }
  return { ...config, tie_word_embeddings: false }
}

/** Takes from every row of W_U and from b_U their mean over the vocabulary: all logits shift alike, probabilities stay. */
export function centerUnembedding(config: ModelConfig, weights: Draft): ModelConfig {
  if (config.logit_softcap !== null) {
    throw new DiopterError(
      'center_unembed: the logits are capped by tanh, and a shift before the cap changes their differences.',
    )
  }
  for (const name of ['unembed.W_U', 'unembed.b_U']) {
    const values = weights.get(name)
    if (values) weights.set(name, centerLastAxis(values))
  }
  return { ...config, tie_word_embeddings: false }
}
