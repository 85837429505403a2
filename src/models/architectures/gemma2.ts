import type { Architecture } from './architecture.ts'
import { configReader, layerWindows } from './config-reader.ts'
import { gemmaActivation, gemmaEmbedScale, LLAMA_BUFFERS, llamaFormConfig, llamaFormParameters } from './llama-form.ts'

/** Gemma 2 (Gemma Team 2024): norms after attention and MLP too, capped scores and logits, a window in every other layer. */
export const gemma2: Architecture = {
  modelTypes: ['gemma2'],
  buffers: LLAMA_BUFFERS,

  config(json) {
    const read = configReader('gemma2', json)
    const n_layers = read.size('num_hidden_layers')
    const scale = 1 / Math.sqrt(read.number('query_pre_attn_scalar', 256))
    const config = llamaFormConfig(
      read,
      {
        architecture: 'gemma2',
        act_fn: gemmaActivation(read),
        norm_weight_offset: 1,
        embed_scale: gemmaEmbedScale(json),
        post_norms: true,
        attn_scales: new Array<number>(n_layers).fill(scale),
        attn_windows: layerWindows(
          read,
          n_layers,
          read.optionalNumber('sliding_window', 4096),
          (layer) => layer % 2 === 0,
        ),
        attn_softcap: read.optionalNumber('attn_logit_softcapping', 50),
        logit_softcap: read.optionalNumber('final_logit_softcapping', 30),
        tie_word_embeddings: read.flag('tie_word_embeddings', true),
      },
      { head_dim: 256, num_key_value_heads: 4 },
    )
    read.finish()
    return config
  },

  parameters: (config, shapes) =>
    llamaFormParameters(config, shapes, {
      norms: {
        ln1: 'input_layernorm',
        ln1_post: 'post_attention_layernorm',
        ln2: 'pre_feedforward_layernorm',
        ln2_post: 'post_feedforward_layernorm',
      },
    }),
}
