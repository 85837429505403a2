import { type Architecture, completeConfig } from './architecture.ts'
import { configReader, headSize, keyValueHeads } from './config-reader.ts'
import { LLAMA_BUFFERS } from './llama-form.ts'
import { addAttention, addLayerNorm, addMlp, addUnembedding, parameterTable } from './parameter-table.ts'
import { rotaryOptions } from './rotary-config.ts'

/** Phi 1, 1.5 and 2 (Gunasekar et al. 2023): one norm feeds attention and MLP in parallel; heads are partly rotated. */
export const phi: Architecture = {
  modelTypes: ['phi'],
  buffers: LLAMA_BUFFERS,

  config(json) {
    const read = configReader('phi', json)
    const [d_model, n_heads] = [read.size('hidden_size'), read.size('num_attention_heads')]
    const d_head = headSize(d_model, n_heads)
    read.only('qk_layernorm', false)
    const config = completeConfig({
      architecture: 'phi',
      d_model,
      n_layers: read.size('num_hidden_layers'),
      n_heads,
      n_key_value_heads: keyValueHeads(read, n_heads),
      d_head,
      d_mlp: read.size('intermediate_size'),
      n_ctx: read.size('max_position_embeddings', 2048),
      d_vocab: read.size('vocab_size'),
      act_fn: read.activation('hidden_act', 'gelu_new'),
      normalization_type: 'LN',
      eps: read.number('layer_norm_eps', 1e-5),
      positional_embedding_type: 'rotary',
      ...rotaryOptions(read, d_head, { defaultFraction: 0.5 }),
      parallel_attn_mlp: true,
      shared_norm: true,
      tie_word_embeddings: read.flag('tie_word_embeddings', false),
    })
    read.finish()
    return config
  },

  parameters(config, shapes) {
    const table = parameterTable(config, shapes, 'model.')
    table.add('embed.W_E', 'embed_tokens.weight', 'v d')
    for (let l = 0; l < config.n_layers; l++) {
      const [to, from, attention] = [`blocks.${l}`, `layers.${l}`, `layers.${l}.self_attn`]
      addLayerNorm(table, `${to}.ln1`, `${from}.input_layernorm`)
      const tensors = {
        q: `${attention}.q_proj`,
        k: `${attention}.k_proj`,
        v: `${attention}.v_proj`,
        o: `${attention}.dense`,
      }
      addAttention(table, to, tensors, { qkv: true, o: true })
      addMlp(table, to, { in: `${from}.mlp.fc1`, out: `${from}.mlp.fc2` })
    }
    addLayerNorm(table, 'ln_final', 'final_layernorm')
    addUnembedding(table, config, 'embed_tokens.weight', 'lm_head', true)
    return table.specs
  },
}
