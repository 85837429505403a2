import { completeConfig } from '../../src/models/architectures/architecture.ts'
import { type ModelConfig, weightNames, weightShape } from '../../src/models/index.ts'
import { type Shape, sizeOf } from '../../src/tensor/index.ts'

/** A two-layer model config of tiny sizes; `own` says what is special about it. */
export function toyConfig(own: Partial<ModelConfig> = {}): ModelConfig {
  return completeConfig({
    architecture: 'toy',
    d_model: 8,
    n_layers: 2,
    n_heads: 2,
    d_head: 4,
    d_mlp: own.attn_only ? 0 : 12,
    n_ctx: 6,
    d_vocab: 7,
    act_fn: own.attn_only ? null : 'gelu_new',
    normalization_type: 'LN',
    eps: 1e-5,
    positional_embedding_type: 'standard',
    tie_word_embeddings: false,
    ...own,
  })
}

/** One config for every form that a block takes in some family. */
export const blockForms: Readonly<Record<string, ModelConfig>> = {
  'one after the other': toyConfig(),
  'grouped queries, gated, rotary': toyConfig({
    n_key_value_heads: 1,
    gated_mlp: true,
    normalization_type: 'RMS',
    positional_embedding_type: 'rotary',
    rotary_dim: 4,
  }),
  'parallel, two norms': toyConfig({ parallel_attn_mlp: true, positional_embedding_type: 'rotary', rotary_dim: 2 }),
  'parallel, one norm': toyConfig({ parallel_attn_mlp: true, shared_norm: true }),
  'norms after each part': toyConfig({ post_norms: true, normalization_type: 'RMS', gated_mlp: true }),
  'attention only': toyConfig({ attn_only: true }),
  shortformer: toyConfig({ positional_embedding_type: 'shortformer' }),
  'without norms': toyConfig({ normalization_type: null, final_norm: false }),
}

/** Reproducible weights of a config, by public name in public shape; without those of `absent`. */
export function toyWeights(
  config: ModelConfig,
  absent: RegExp = /^$/,
  seed = 1,
): Map<string, { shape: Shape; data: Float32Array }> {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
  return new Map(
    weightNames(config)
      .filter(({ name }) => !absent.test(name))
      .map(({ name }) => {
        const shape = weightShape(config, name)
        return [name, { shape, data: Float32Array.from({ length: sizeOf(shape) }, next) }]
      }),
  )
}
