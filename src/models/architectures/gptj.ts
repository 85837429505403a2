import { type Architecture, completeConfig } from './architecture.ts'
import { configReader, headSize } from './config-reader.ts'
import { addAttention, addLayerNorm, addMlp, addUnembedding, parameterTable } from './parameter-table.ts'

/** GPT-J (Wang and Komatsuzaki 2021): one norm feeds attention and MLP in parallel; adjacent features are rotated. */
export const gptj: Architecture = {
  modelTypes: ['gptj'],
  buffers: [/(^|\.)h\.\d+\.attn\.(bias|masked_bias|embed_positions)$/],

  config(json) {
    const read = configReader('gptj', json)
    const [d_model, n_heads] = [read.size('n_embd'), read.size('n_head')]
    const d_head = headSize(d_model, n_heads)
    const rotary_dim = read.size('rotary_dim', 64)
    if (rotary_dim > d_head || rotary_dim % 2 !== 0) read.refuse('rotary_dim', `an even number up to ${d_head}`)
    const config = completeConfig({
      architecture: 'gptj',
      d_model,
      n_layers: read.size('n_layer'),
      n_heads,
      d_head,
      d_mlp: read.size('n_inner', 4 * d_model),
      n_ctx: read.size('n_positions', 2048),
      d_vocab: read.size('vocab_size'),
      act_fn: read.activation('activation_function', 'gelu_new'),
      normalization_type: 'LN',
      eps: read.number('layer_norm_epsilon', 1e-5),
      positional_embedding_type: 'rotary',
      rotary_dim,
      rotary_adjacent_pairs: true,
      parallel_attn_mlp: true,
      shared_norm: true,
      tie_word_embeddings: read.flag('tie_word_embeddings', false),
    })
    read.finish()
    return config
  },

  parameters(config, shapes) {
    const table = parameterTable(config, shapes, 'transformer.')
    table.add('embed.W_E', 'wte.weight', 'v d')
    for (let l = 0; l < config.n_layers; l++) {
      const [to, from, attention] = [`blocks.${l}`, `h.${l}`, `h.${l}.attn`]
      addLayerNorm(table, `${to}.ln1`, `${from}.ln_1`)
      const tensors = {
        q: `${attention}.q_proj`,
        k: `${attention}.k_proj`,
        v: `${attention}.v_proj`,
        o: `${attention}.out_proj`,
      }
      addAttention(table, to, tensors, { qkv: false, o: false })
      addMlp(table, to, { in: `${from}.mlp.fc_in`, out: `${from}.mlp.fc_out` })
    }
    addLayerNorm(table, 'ln_final', 'ln_f')
    addUnembedding(table, config, 'wte.weight', 'lm_head', true)
    return table.specs
  },
}
