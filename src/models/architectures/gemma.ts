import type { Architecture } from './architecture.ts'
import { configReader } from './config-reader.ts'
import {
  gemmaActivation,
  gemmaEmbedScale,
  LLAMA_BUFFERS,
  LLAMA_NORMS,
  llamaFormConfig,
  llamaFormParameters,
} from './llama-form.ts'

/** Gemma 1 (Gemma Team 2024): Llama's form with norm weights stored less one, scaled embeddings and a GELU gate. */
export const gemma: Architecture = {
  modelTypes: ['gemma'],
  buffers: LLAMA_BUFFERS,

  config(json) {
    const read = configReader('gemma', json)
    const config = llamaFormConfig(
      read,
      {
        architecture: 'gemma',
        act_fn: gemmaActivation(read),
        norm_weight_offset: 1,
        embed_scale: gemmaEmbedScale(json),
        tie_word_embeddings: read.flag('tie_word_embeddings', true),
      },
      { head_dim: 256, num_key_value_heads: 16 },
    )
    read.finish()
    return config
  },

  parameters: (config, shapes) => llamaFormParameters(config, shapes, { norms: LLAMA_NORMS }),
}
