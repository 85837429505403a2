import { DiopterError } from '../../errors/index.ts'
import type { ConfigJson } from './architecture.ts'

/** Values that change nothing, for a key that a family does not read; null and false never do. */
type Neutral = (value: unknown) => boolean

const one: Neutral = (value) => value === 1
const noExperts: Neutral = (value) => value === 0 || value === 1
const empty: Neutral = (value) => typeof value === 'object' && Object.keys(value as object).length === 0
const fullAttention: Neutral = (value) => Array.isArray(value) && value.every((type) => type === 'full_attention')
const never: Neutral = () => false

/**
 * Keys of config.json that change a model's numbers. A family that supports one reads it; where one is set and was not
 * read, the model is refused, because running it anyway would give plausible wrong numbers.
 */
const CHANGES_NUMBERS: Readonly<Record<string, Neutral>> = {
  quantization_config: empty,
  compression_config: empty,
  // norms of queries and keys, and other norms
  qk_layernorm: never,
  qk_norm: never,
  use_qk_norm: never,
  query_key_norm: never,
  use_post_norm: never,
  layer_norm_elementwise_affine: (value) => value === true,
  apply_residual_connection_post_layernorm: never,
  // mixtures of experts
  num_experts: noExperts,
  num_local_experts: noExperts,
  n_routed_experts: noExperts,
  n_shared_experts: noExperts,
  moe_intermediate_size: never,
  num_experts_per_tok: noExperts,
  // attention
  sliding_window: never,
  use_sliding_window: never,
  layer_types: fullAttention,
  no_rope_layers: empty,
  attention_chunk_size: never,
  attention_bias: never,
  mlp_bias: never,
  attn_logit_softcapping: never,
  final_logit_softcapping: never,
  query_pre_attn_scalar: never,
  clip_qkv: never,
  alibi: never,
  use_alibi: never,
  multi_query: never,
  use_bidirectional_attention: never,
  is_causal: (value) => value === true,
  add_cross_attention: never,
  is_encoder_decoder: never,
  kv_lora_rank: never,
  q_lora_rank: never,
  num_kv_shared_layers: (value) => value === 0,
  // positions
  rope_scaling: empty,
  rope_parameters: empty,
  rope_local_base_freq: never,
  partial_rotary_factor: one,
  // scales
  embedding_multiplier: one,
  attention_multiplier: never,
  residual_multiplier: one,
  logits_scaling: one,
  logit_scale: one,
  scale_depth: one,
  scale_emb: one,
  dim_model_base: never,
}

/** @throws DiopterError naming the first key that is set, changes numbers and was not read. */
export function checkUnread(where: string, json: ConfigJson, read: ReadonlySet<string>): void {
  for (const [key, neutral] of Object.entries(CHANGES_NUMBERS)) {
    const value = json[key]
    if (read.has(key) || value === undefined || value === null || value === false || neutral(value)) continue
    throw new DiopterError(
      `${where}: config.json sets ${key} = ${JSON.stringify(value)}, which changes the model's numbers and is not supported for this family.`,
    )
  }
}
