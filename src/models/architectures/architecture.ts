import type { ModelConfig } from '../config.ts'
import type { ParameterSpec } from '../parameters.ts'
import type { TensorShapes } from './parameter-table.ts'

/** A `config.json`, parsed. */
export type ConfigJson = Readonly<Record<string, unknown>>

/** How one family of checkpoints maps onto the shared parts. */
export interface Architecture {
  /** The `model_type`s of config.json that it reads. */
  readonly modelTypes: readonly string[]
  /** The model's shape and options. @throws DiopterError naming any value that is not supported. */
  config(json: ConfigJson): ModelConfig
  /** Every weight with its place in the checkpoint that came with `json`. @throws DiopterError when a tensor is absent or of another shape. */
  parameters(config: ModelConfig, shapes: TensorShapes, json: ConfigJson): readonly ParameterSpec[]
  /** Checkpoint tensors that hold no weights (mask and rotary buffers), which are not read. */
  readonly buffers: readonly RegExp[]
}

/** The options that most families share; a family's config names the rest and what differs. */
type Defaulted =
  | 'd_vocab_out'
  | 'n_key_value_heads'
  | 'final_norm'
  | 'norm_weight_offset'
  | 'rotary_dim'
  | 'rotary_base'
  | 'rotary_adjacent_pairs'
  | 'rotary_scaling'
  | 'parallel_attn_mlp'
  | 'shared_norm'
  | 'gated_mlp'
  | 'attn_only'
  | 'post_norms'
  | 'attn_scales'
  | 'attn_windows'
  | 'attn_softcap'
  | 'logit_softcap'
  | 'embed_scale'

/** A whole config from what a family gives: scores divided by sqrt(d_head), every position seen, one plain norm before each part. */
export function completeConfig(
  given: Omit<ModelConfig, Defaulted> & Partial<Pick<ModelConfig, Defaulted>>,
): ModelConfig {
  const layers = <T>(value: T) => new Array<T>(given.n_layers).fill(value)
  return {
    d_vocab_out: given.d_vocab,
    n_key_value_heads: given.n_heads,
    final_norm: true,
    norm_weight_offset: 0,
    rotary_dim: 0,
    rotary_base: 10000,
    rotary_adjacent_pairs: false,
    rotary_scaling: null,
    parallel_attn_mlp: false,
    shared_norm: false,
    gated_mlp: false,
    attn_only: false,
    post_norms: false,
    attn_scales: layers(1 / Math.sqrt(given.d_head)),
    attn_windows: layers(null),
    attn_softcap: null,
    logit_softcap: null,
    embed_scale: 1,
    ...given,
  }
}
