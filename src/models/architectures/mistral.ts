import type { Architecture } from './architecture.ts'
import { configReader, layerWindows } from './config-reader.ts'
import { LLAMA_BUFFERS, LLAMA_NORMS, llamaFormConfig, llamaFormParameters } from './llama-form.ts'

/** Mistral 7B and its kin (Jiang et al. 2023): Llama's form, in some versions with a sliding window in every layer. */
export const mistral: Architecture = {
  modelTypes: ['mistral'],
  buffers: LLAMA_BUFFERS,

  config(json) {
    const read = configReader('mistral', json)
    const config = llamaFormConfig(
      read,
      {
        architecture: 'mistral',
        act_fn: read.activation('hidden_act', 'silu'),
        tie_word_embeddings: read.flag('tie_word_embeddings', false),
        attn_windows: layerWindows(
          read,
          read.size('num_hidden_layers'),
          read.optionalNumber('sliding_window', 4096),
          () => true,
        ),
      },
      { num_key_value_heads: 8 },
    )
    read.finish()
    return config
  },

  parameters: (config, shapes) => llamaFormParameters(config, shapes, { norms: LLAMA_NORMS }),
}
