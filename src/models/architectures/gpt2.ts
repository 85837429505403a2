import { type Architecture, completeConfig } from './architecture.ts'
import { configReader, headSize } from './config-reader.ts'
import { addLayerNorm, addUnembedding, type ParameterTable, parameterTable } from './parameter-table.ts'

/** GPT-2 (Radford et al. 2019): weights are stored [in, out], and q, k and v side by side in one matrix. */
export const gpt2: Architecture = {
  modelTypes: ['gpt2'],
  buffers: [/(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/],

  config(json) {
    const read = configReader('gpt2', json)
    const [d_model, n_heads, n_layers] = [read.size('n_embd'), read.size('n_head'), read.size('n_layer')]
    const d_head = headSize(d_model, n_heads)
    const scale = read.flag('scale_attn_weights', true) ? 1 / Math.sqrt(d_head) : 1
    const perLayer = read.flag('scale_attn_by_inverse_layer_idx', false)
    const config = completeConfig({
      architecture: 'gpt2',
      d_model,
      n_layers,
      n_heads,
      d_head,
      d_mlp: read.size('n_inner', 4 * d_model),
      n_ctx: read.size('n_positions', 1024),
      d_vocab: read.size('vocab_size'),
      act_fn: read.activation('activation_function', 'gelu_new'),
      normalization_type: 'LN',
      eps: read.number('layer_norm_epsilon', 1e-5),
      positional_embedding_type: 'standard',
      attn_scales: Array.from({ length: n_layers }, (_, layer) => (perLayer ? scale / (layer + 1) : scale)),
      tie_word_embeddings: read.flag('tie_word_embeddings', true),
    })
    read.finish()
    return config
  },

  parameters(config, shapes) {
    const table = parameterTable(config, shapes, 'transformer.')
    table.add('embed.W_E', 'wte.weight', 'v d')
    table.add('pos_embed.W_pos', 'wpe.weight', 'c d')
    for (let l = 0; l < config.n_layers; l++) addBlock(table, `blocks.${l}`, `h.${l}`)
    addLayerNorm(table, 'ln_final', 'ln_f')
    addUnembedding(table, config, 'wte.weight')
    return table.specs
  },
}

function addBlock(table: ParameterTable, to: string, from: string): void {
  const { add } = table
  addLayerNorm(table, `${to}.ln1`, `${from}.ln_1`)
  addLayerNorm(table, `${to}.ln2`, `${from}.ln_2`)
  for (const [start, letter, heads] of [
    [0, 'Q', 'h'],
    [1, 'K', 'k'],
    [2, 'V', 'k'],
  ] as const) {
    const third = { letter: '#', of: 3, start }
    add(`${to}.attn.W_${letter}`, `${from}.attn.c_attn.weight`, `d #${heads}e`, third)
    add(`${to}.attn.b_${letter}`, `${from}.attn.c_attn.bias`, `#${heads}e`, third)
  }
  add(`${to}.attn.W_O`, `${from}.attn.c_proj.weight`, 'he d')
  add(`${to}.attn.b_O`, `${from}.attn.c_proj.bias`, 'd')
  add(`${to}.mlp.W_in`, `${from}.mlp.c_fc.weight`, 'd m')
  add(`${to}.mlp.b_in`, `${from}.mlp.c_fc.bias`, 'm')
  add(`${to}.mlp.W_out`, `${from}.mlp.c_proj.weight`, 'm d')
  add(`${to}.mlp.b_out`, `${from}.mlp.c_proj.bias`, 'd')
}
