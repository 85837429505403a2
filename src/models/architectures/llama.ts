import type { Architecture } from './architecture.ts'
import { configReader } from './config-reader.ts'
import { LLAMA_BUFFERS, LLAMA_NORMS, llamaFormConfig, llamaFormParameters } from './llama-form.ts'

/** Llama 1 to 3.x (Touvron et al. 2023), with Llama 3's scaled rotary frequencies. */
export const llama: Architecture = {
  modelTypes: ['llama'],
  buffers: LLAMA_BUFFERS,

  config(json) {
    const read = configReader('llama', json)
    read.flag('attention_bias', false)
    read.flag('mlp_bias', false)
    const config = llamaFormConfig(read, {
      architecture: 'llama',
      act_fn: read.activation('hidden_act', 'silu'),
      tie_word_embeddings: read.flag('tie_word_embeddings', false),
    })
    read.finish()
    return config
  },

  parameters: (config, shapes, json) =>
    llamaFormParameters(config, shapes, {
      qkvBias: json.attention_bias === true,
      outBias: json.attention_bias === true,
      mlpBias: json.mlp_bias === true,
      norms: LLAMA_NORMS,
    }),
}
