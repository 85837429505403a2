import { type Architecture, completeConfig } from './architecture.ts'
import { configReader, headSize } from './config-reader.ts'
import { addAttention, addLayerNorm, addMlp, addUnembedding, parameterTable } from './parameter-table.ts'

/** The position table starts with two rows that no position uses. */
const POSITION_OFFSET = 2

/** OPT (Zhang et al. 2022), in the form with norms before attention and MLP (all sizes but 350M). */
export const opt: Architecture = {
  modelTypes: ['opt'],
  buffers: [/(^|\.)decoder\.version$/],

  config(json) {
    const read = configReader('opt', json)
    const [d_model, n_heads] = [read.size('hidden_size'), read.size('num_attention_heads')]
    if (read.size('word_embed_proj_dim', d_model) !== d_model) {
      read.refuse('word_embed_proj_dim', `hidden_size, here ${d_model} (no projection of the embeddings)`)
    }
    read.only('do_layer_norm_before', true)
    read.only('layer_norm_elementwise_affine', true)
    read.only('enable_bias', true)
    const config = completeConfig({
      architecture: 'opt',
      d_model,
      n_layers: read.size('num_hidden_layers'),
      n_heads,
      d_head: headSize(d_model, n_heads),
      d_mlp: read.size('ffn_dim'),
      n_ctx: read.size('max_position_embeddings', 2048),
      d_vocab: read.size('vocab_size'),
      act_fn: read.activation('activation_function', 'relu'),
      normalization_type: 'LN',
      final_norm: !read.flag('_remove_final_layer_norm', false),
      eps: 1e-5, // torch's default, which OPT has no setting for
      positional_embedding_type: 'standard',
      tie_word_embeddings: read.flag('tie_word_embeddings', true),
    })
    read.finish()
    return config
  },

  parameters(config, shapes) {
    const table = parameterTable(config, shapes, 'decoder.', 'model.decoder.')
    const rows = { letter: 'c', of: config.n_ctx + POSITION_OFFSET, start: POSITION_OFFSET }
    table.add('embed.W_E', 'embed_tokens.weight', 'v d')
    table.add('pos_embed.W_pos', 'embed_positions.weight', 'c d', rows)
    for (let l = 0; l < config.n_layers; l++) {
      const [to, from, attention] = [`blocks.${l}`, `layers.${l}`, `layers.${l}.self_attn`]
      addLayerNorm(table, `${to}.ln1`, `${from}.self_attn_layer_norm`)
      addLayerNorm(table, `${to}.ln2`, `${from}.final_layer_norm`)
      const tensors = {
        q: `${attention}.q_proj`,
        k: `${attention}.k_proj`,
        v: `${attention}.v_proj`,
        o: `${attention}.out_proj`,
      }
      addAttention(table, to, tensors, { qkv: true, o: true })
      addMlp(table, to, { in: `${from}.fc1`, out: `${from}.fc2` })
    }
    if (config.final_norm) addLayerNorm(table, 'ln_final', 'final_layer_norm')
    addUnembedding(table, config, 'embed_tokens.weight')
    return table.specs
  },
}
