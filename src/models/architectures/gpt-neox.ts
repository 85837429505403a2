import { type Architecture, completeConfig } from './architecture.ts'
import { configReader, headSize } from './config-reader.ts'
import { addLayerNorm, addLinear, addMlp, addUnembedding, parameterTable } from './parameter-table.ts'
import { rotaryOptions } from './rotary-config.ts'

/** GPT-NeoX and Pythia (Black et al. 2022): parallel blocks, partly rotated heads, and q, k and v interleaved per head. */
export const gptNeox: Architecture = {
  modelTypes: ['gpt_neox'],
  buffers: [/\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/, /(^|\.)rotary_emb\.inv_freq$/],

  config(json) {
    const read = configReader('gpt_neox', json)
    const [d_model, n_heads] = [read.size('hidden_size'), read.size('num_attention_heads')]
    const d_head = headSize(d_model, n_heads)
    read.flag('attention_bias', true)
    const config = completeConfig({
      architecture: 'gpt_neox',
      d_model,
      n_layers: read.size('num_hidden_layers'),
      n_heads,
      d_head,
      d_mlp: read.size('intermediate_size'),
      n_ctx: read.size('max_position_embeddings', 2048),
      d_vocab: read.size('vocab_size'),
      act_fn: read.activation('hidden_act', 'gelu'),
      normalization_type: 'LN',
      eps: read.number('layer_norm_eps', 1e-5),
      positional_embedding_type: 'rotary',
      ...rotaryOptions(read, d_head, { base: 'rotary_emb_base', fraction: 'rotary_pct', defaultFraction: 0.25 }),
      parallel_attn_mlp: read.flag('use_parallel_residual', true),
      tie_word_embeddings: read.flag('tie_word_embeddings', false),
    })
    read.finish()
    return config
  },

  parameters(config, shapes, json) {
    const table = parameterTable(config, shapes, 'gpt_neox.')
    const bias = json.attention_bias !== false
    table.add('embed.W_E', 'embed_in.weight', 'v d')
    for (let l = 0; l < config.n_layers; l++) {
      const [to, from] = [`blocks.${l}`, `layers.${l}`]
      addLayerNorm(table, `${to}.ln1`, `${from}.input_layernorm`)
      addLayerNorm(table, `${to}.ln2`, `${from}.post_attention_layernorm`)
      for (const [start, letter, heads] of [
        [0, 'Q', 'h'],
        [1, 'K', 'k'],
        [2, 'V', 'k'],
      ] as const) {
        const names = { weight: `${to}.attn.W_${letter}`, bias: bias && `${to}.attn.b_${letter}` }
        const fused = { tensor: `${from}.attention.query_key_value`, out: `${heads}#e`, from: 'd' }
        addLinear(table, { ...names, ...fused }, { letter: '#', of: 3, start })
      }
      const output = { weight: `${to}.attn.W_O`, bias: bias && `${to}.attn.b_O` }
      addLinear(table, { ...output, tensor: `${from}.attention.dense`, out: 'd', from: 'he' })
      addMlp(table, to, { in: `${from}.mlp.dense_h_to_4h`, out: `${from}.mlp.dense_4h_to_h` })
    }
    addLayerNorm(table, 'ln_final', 'final_layer_norm')
    addUnembedding(table, config, 'embed_in.weight', 'embed_out')
    return table.specs
  },
}
