import { DiopterError } from '../../errors/index.ts'
import { type Architecture, type ConfigJson, completeConfig } from './architecture.ts'
import { configReader, headSize } from './config-reader.ts'
import { addAttention, addLayerNorm, addMlp, addUnembedding, parameterTable } from './parameter-table.ts'

/** GPT-Neo (Black et al. 2021): every other layer sees a local window, and scores are not scaled. */
export const gptNeo: Architecture = {
  modelTypes: ['gpt_neo'],
  buffers: [/(^|\.)h\.\d+\.attn\.attention\.(bias|masked_bias)$/],

  config(json) {
    const read = configReader('gpt_neo', json)
    const [d_model, n_heads, n_layers] = [read.size('hidden_size'), read.size('num_heads'), read.size('num_layers')]
    const window = read.size('window_size', 256)
    const config = completeConfig({
      architecture: 'gpt_neo',
      d_model,
      n_layers,
      n_heads,
      d_head: headSize(d_model, n_heads),
      d_mlp: read.size('intermediate_size', 4 * d_model),
      n_ctx: read.size('max_position_embeddings', 2048),
      d_vocab: read.size('vocab_size'),
      act_fn: read.activation('activation_function', 'gelu_new'),
      normalization_type: 'LN',
      eps: read.number('layer_norm_epsilon', 1e-5),
      positional_embedding_type: 'standard',
      attn_scales: new Array<number>(n_layers).fill(1),
      attn_windows: attentionTypes(json, n_layers).map((type) => (type === 'local' ? window : null)),
      tie_word_embeddings: read.flag('tie_word_embeddings', true),
    })
    read.finish()
    return config
  },

  parameters(config, shapes) {
    const table = parameterTable(config, shapes, 'transformer.')
    table.add('embed.W_E', 'wte.weight', 'v d')
    table.add('pos_embed.W_pos', 'wpe.weight', 'c d')
    for (let l = 0; l < config.n_layers; l++) {
      const [to, from, attention] = [`blocks.${l}`, `h.${l}`, `h.${l}.attn.attention`]
      addLayerNorm(table, `${to}.ln1`, `${from}.ln_1`)
      addLayerNorm(table, `${to}.ln2`, `${from}.ln_2`)
      const tensors = {
        q: `${attention}.q_proj`,
        k: `${attention}.k_proj`,
        v: `${attention}.v_proj`,
        o: `${attention}.out_proj`,
      }
      addAttention(table, to, tensors, { qkv: false, o: true })
      addMlp(table, to, { in: `${from}.mlp.c_fc`, out: `${from}.mlp.c_proj` })
    }
    addLayerNorm(table, 'ln_final', 'ln_f')
    addUnembedding(table, config, 'wte.weight')
    return table.specs
  },
}

/** `attention_types` is a list of [pattern, repeats], for example [[["global", "local"], 12]]. */
function attentionTypes(json: ConfigJson, n_layers: number): string[] {
  const types = (json.attention_types ?? [[['global', 'local'], 12]]) as [string[], number][]
  const valid =
    Array.isArray(types) &&
    types.every((one) => Array.isArray(one) && Array.isArray(one[0]) && one[1] > 0 && one[1] <= n_layers)
  const layers = valid
    ? types.flatMap(([pattern, repeats]) => Array.from({ length: repeats }, () => pattern).flat())
    : []
  if (layers.length !== n_layers || layers.some((type) => type !== 'global' && type !== 'local')) {
    throw new DiopterError(
      `gpt_neo: attention_types = ${JSON.stringify(json.attention_types)} must name global or local for each of the ${n_layers} layers.`,
    )
  }
  return layers
}
