/** How rotary frequencies are changed for long contexts (Llama 3's rule). */
export interface RotaryScaling {
  readonly type: 'llama3' | 'linear'
  readonly factor: number
  readonly low_freq_factor?: number
  readonly high_freq_factor?: number
  readonly original_max_position_embeddings?: number
}

/** A model's shape and options, in TransformerLens's field names. Everything that changes a number is here. */
export interface ModelConfig {
  /** The architecture file's name, for example `llama`. */
  readonly architecture: string
  readonly d_model: number
  readonly n_layers: number
  readonly n_heads: number
  readonly n_key_value_heads: number
  readonly d_head: number
  /** 0 when `attn_only`. */
  readonly d_mlp: number
  readonly n_ctx: number
  readonly d_vocab: number
  /** Rows of the logits; differs from `d_vocab` only in toy models. */
  readonly d_vocab_out: number
  readonly act_fn: 'relu' | 'gelu' | 'gelu_new' | 'silu' | null
  /** `LNPre` / `RMSPre`: the norm's weights were folded away; null: no norms at all. */
  readonly normalization_type: 'LN' | 'LNPre' | 'RMS' | 'RMSPre' | null
  /** Whether a final norm precedes the unembedding. */
  readonly final_norm: boolean
  readonly eps: number
  /** Added to every norm weight before use (Gemma stores w - 1). */
  readonly norm_weight_offset: number
  readonly positional_embedding_type: 'standard' | 'rotary' | 'shortformer' | 'none'
  readonly rotary_dim: number
  readonly rotary_base: number
  /** Pairs (0,1),(2,3).. are rotated together (GPT-J) instead of (0, n/2),(1, n/2+1)... */
  readonly rotary_adjacent_pairs: boolean
  readonly rotary_scaling: RotaryScaling | null
  readonly parallel_attn_mlp: boolean
  /** One norm feeds attention and MLP (GPT-J, Phi): there is no ln2. */
  readonly shared_norm: boolean
  readonly gated_mlp: boolean
  readonly attn_only: boolean
  /** Norms after attention and after the MLP, before they are added (Gemma 2): `ln1_post`, `ln2_post`. */
  readonly post_norms: boolean
  /** Scores are multiplied by this, per layer. */
  readonly attn_scales: readonly number[]
  /** Per layer: how many positions back a query sees (itself included), or null for all. */
  readonly attn_windows: readonly (number | null)[]
  /** cap * tanh(scores / cap), or null. */
  readonly attn_softcap: number | null
  readonly logit_softcap: number | null
  /** The embedding is multiplied by this (Gemma: sqrt(d_model) in float32, as transformers computes it in float32). */
  readonly embed_scale: number
  readonly tie_word_embeddings: boolean
}
