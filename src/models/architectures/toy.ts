import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig } from '../config.ts'
import { publicParameters } from '../public-parameters.ts'
import { type Architecture, type ConfigJson, completeConfig } from './architecture.ts'
import { type ConfigReader, configReader, keyValueHeads } from './config-reader.ts'

/**
 * Toy models in TransformerLens's own form: config.json holds its config under `config`, and the weights are its state
 * dict, of any size, attention only or with MLPs, with or without norms.
 */
export const toy: Architecture = {
  modelTypes: ['toy'],
  buffers: [/\.attn\.(mask|IGNORE|rotary_sin|rotary_cos)$/],

  config(json) {
    const fields = json.config
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
      throw new DiopterError(
        "toy: config.json has no object 'config' with TransformerLens fields (n_layers, d_model ...).",
      )
    }
    return toyConfig(configReader('toy', fields as ConfigJson))
  },

  parameters: publicParameters,
}

/** Fields that say how a model was made or is run, and change none of its numbers. */
const WITHOUT_EFFECT = [
  ...['model_name', 'original_architecture', 'from_checkpoint', 'checkpoint_index', 'checkpoint_label_type'],
  ...['checkpoint_value', 'tokenizer_name', 'tokenizer_prepends_bos', 'default_prepend_bos', 'init_mode'],
  ...['init_weights', 'initializer_range', 'device', 'n_devices', 'dtype', 'seed', 'use_attn_result', 'use_attn_in'],
  ...['use_split_qkv_input', 'use_hook_mlp_in', 'use_hook_tokens', 'ungroup_grouped_query_attention', 'n_params'],
  ...['trust_remote_code', 'load_in_4bit'],
]

function toyConfig(read: ConfigReader): ModelConfig {
  const [d_model, n_layers, d_head] = [read.size('d_model'), read.size('n_layers'), read.size('d_head')]
  const n_heads = read.size('n_heads', Math.floor(d_model / d_head))
  const attn_only = read.flag('attn_only', false)
  const d_mlp = read.size('d_mlp', 4 * d_model)
  const d_vocab = read.size('d_vocab')
  const normalization_type = oneOf(read, 'normalization_type', ['LN', 'LNPre', 'RMS', 'RMSPre'] as const, null)
  const positions = oneOf(
    read,
    'positional_embedding_type',
    ['standard', 'rotary', 'shortformer', 'none'] as const,
    'standard',
  )
  const rotary_dim = read.size('rotary_dim', d_head)
  const post_norms = read.flag('use_normalization_before_and_after', false)
  if (positions === 'rotary' && (rotary_dim > d_head || rotary_dim % 2 !== 0)) {
    read.refuse('rotary_dim', `an even number up to ${d_head}`)
  }
  refuseWhatIsMissing(read, normalization_type)
  const config = completeConfig({
    architecture: 'toy',
    d_model,
    n_layers,
    n_heads,
    n_key_value_heads: keyValueHeads(read, n_heads, 'n_key_value_heads'),
    d_head,
    d_mlp: attn_only ? 0 : d_mlp,
    n_ctx: read.size('n_ctx'),
    d_vocab,
    d_vocab_out: read.size('d_vocab_out', d_vocab),
    act_fn: attn_only && read.raw('act_fn') === undefined ? null : read.activation('act_fn'),
    normalization_type,
    final_norm: normalization_type !== null,
    eps: read.number('eps', 1e-5),
    positional_embedding_type: positions,
    rotary_dim: positions === 'rotary' ? rotary_dim : 0,
    rotary_base: read.number('rotary_base', 10000),
    rotary_adjacent_pairs: read.flag('rotary_adjacent_pairs', false),
    parallel_attn_mlp: read.flag('parallel_attn_mlp', false),
    gated_mlp: read.flag('gated_mlp', false),
    attn_only,
    post_norms: post_norms && normalization_type !== null,
    attn_scales: scales(read, d_head, n_layers),
    attn_windows: windows(read, n_layers),
    attn_softcap: softcap(read, 'attn_scores_soft_cap'),
    logit_softcap: softcap(read, 'output_logits_soft_cap'),
    tie_word_embeddings: read.flag('tie_word_embeddings', false),
  })
  read.finishStrictly(WITHOUT_EFFECT)
  return config
}

function oneOf<T extends string, O extends string | null>(
  read: ConfigReader,
  key: string,
  values: readonly T[],
  otherwise: O,
): T | O {
  const value = read.raw(key)
  if (value === undefined) return otherwise
  return values.find((one) => one === value) ?? read.refuse(key, values.join(', '))
}

function refuseWhatIsMissing(read: ConfigReader, normalization: ModelConfig['normalization_type']): void {
  read.only('attention_dir', 'causal')
  // A final RMS norm after layer norms is the one mixture that TransformerLens has.
  if (normalization?.startsWith('RMS')) read.flag('final_rms', true)
  else read.only('final_rms', false)
  for (const key of ['use_qk_norm', 'post_embedding_ln', 'use_NTK_by_parts_rope']) read.only(key, false)
  for (const key of ['num_experts', 'experts_per_token']) read.only(key, 0, 1)
}

/** What each layer's scores are multiplied by; `attn_scale` divides them, and -1 stands for sqrt(d_head). */
function scales(read: ConfigReader, d_head: number, n_layers: number): number[] {
  const divisor = read.number('attn_scale', -1)
  const used = read.flag('use_attn_scale', true)
  const byLayer = read.flag('scale_attn_by_inverse_layer_idx', false)
  const scale = used ? 1 / (divisor > 0 ? divisor : Math.sqrt(d_head)) : 1
  return Array.from({ length: n_layers }, (_, layer) => (byLayer ? scale / (layer + 1) : scale))
}

/** `attn_types` repeats when it is shorter than the layers. */
function windows(read: ConfigReader, n_layers: number): (number | null)[] {
  const [types, window] = [read.raw('attn_types'), read.optionalNumber('window_size', null)]
  if (!read.flag('use_local_attn', false)) return new Array<null>(n_layers).fill(null)
  const valid = Array.isArray(types) && types.length > 0 && types.every((type) => type === 'global' || type === 'local')
  if (!valid) return read.refuse('attn_types', 'a list of global and local, as use_local_attn is true')
  if (window === null) return read.refuse('window_size', 'a whole number, as use_local_attn is true')
  return Array.from({ length: n_layers }, (_, layer) => (types[layer % types.length] === 'local' ? window : null))
}

/** -1 stands for none. */
function softcap(read: ConfigReader, key: string): number | null {
  const cap = read.number(key, -1)
  return cap > 0 ? cap : null
}
