import type { Architecture } from './architecture.ts'
import { configReader, layerWindows } from './config-reader.ts'
import { LLAMA_BUFFERS, LLAMA_NORMS, llamaFormConfig } from './llama-form.ts'
import { addUnembedding, parameterTable } from './parameter-table.ts'

/** Phi-3 and Phi-4 (Abdin et al. 2024): Llama's form with q, k, v and the two halves of the gate fused. */
export const phi3: Architecture = {
  modelTypes: ['phi3'],
  buffers: LLAMA_BUFFERS,

  config(json) {
    const read = configReader('phi3', json)
    const config = llamaFormConfig(read, {
      architecture: 'phi3',
      eps: read.number('rms_norm_eps', 1e-5),
      act_fn: read.activation('hidden_act', 'silu'),
      tie_word_embeddings: read.flag('tie_word_embeddings', false),
      attn_windows: layerWindows(
        read,
        read.size('num_hidden_layers'),
        read.optionalNumber('sliding_window', null),
        () => true,
      ),
    })
    read.finish()
    return config
  },

  parameters(config, shapes) {
    const { n_heads, n_key_value_heads } = config
    const allHeads = n_heads + 2 * n_key_value_heads
    const table = parameterTable(config, shapes, 'model.')
    const { add } = table
    add('embed.W_E', 'embed_tokens.weight', 'v d')
    for (let l = 0; l < config.n_layers; l++) {
      const [to, from] = [`blocks.${l}`, `layers.${l}`]
      for (const [norm, tensor] of Object.entries(LLAMA_NORMS)) add(`${to}.${norm}.w`, `${from}.${tensor}.weight`, 'd')
      const fused = `${from}.self_attn.qkv_proj.weight`
      add(`${to}.attn.W_Q`, fused, 'he d', { letter: 'h', of: allHeads, start: 0 })
      add(`${to}.attn.W_K`, fused, 'ke d', { letter: 'k', of: allHeads, start: n_heads })
      add(`${to}.attn.W_V`, fused, 'ke d', { letter: 'k', of: allHeads, start: n_heads + n_key_value_heads })
      add(`${to}.attn.W_O`, `${from}.self_attn.o_proj.weight`, 'd he')
      add(`${to}.mlp.W_gate`, `${from}.mlp.gate_up_proj.weight`, '#m d', { letter: '#', of: 2, start: 0 })
      add(`${to}.mlp.W_in`, `${from}.mlp.gate_up_proj.weight`, '#m d', { letter: '#', of: 2, start: 1 })
      add(`${to}.mlp.W_out`, `${from}.mlp.down_proj.weight`, 'd m')
    }
    add('ln_final.w', 'norm.weight', 'd')
    addUnembedding(table, config, 'embed_tokens.weight')
    return table.specs
  },
}
