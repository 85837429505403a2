import type { ModelConfig } from '../config.ts'
import { type ConfigJson, completeConfig } from './architecture.ts'
import { type ConfigReader, headSize, keyValueHeads } from './config-reader.ts'
import { addAttention, addLinear, addUnembedding, parameterTable, type TensorShapes } from './parameter-table.ts'
import { rotaryOptions } from './rotary-config.ts'

/** What the families in Llama's form set themselves. */
type Own = Pick<ModelConfig, 'architecture' | 'act_fn' | 'tie_word_embeddings'> & Partial<ModelConfig>

/** What transformers assumes for keys that a family's config.json lacks, where that is not what Llama assumes. */
interface Absent {
  readonly head_dim?: number
  readonly num_key_value_heads?: number
}

/**
 * The config of a family in Llama's form (Touvron et al. 2023): RMS norms, rotary positions, grouped-query attention and
 * a gated MLP. The caller reads what its family adds, passes it as `own`, and calls `read.finish()`.
 */
export function llamaFormConfig(read: ConfigReader, own: Own, absent: Absent = {}): ModelConfig {
  const [d_model, n_heads] = [read.size('hidden_size'), read.size('num_attention_heads')]
  const given = read.raw('head_dim') ?? absent.head_dim
  const d_head = given === undefined ? headSize(d_model, n_heads) : read.size('head_dim', absent.head_dim)
  return completeConfig({
    d_model,
    n_layers: read.size('num_hidden_layers'),
    n_heads,
    n_key_value_heads: keyValueHeads(read, n_heads, 'num_key_value_heads', absent.num_key_value_heads),
    d_head,
    d_mlp: read.size('intermediate_size'),
    n_ctx: read.size('max_position_embeddings'),
    d_vocab: read.size('vocab_size'),
    normalization_type: 'RMS',
    eps: read.number('rms_norm_eps', 1e-6),
    positional_embedding_type: 'rotary',
    ...rotaryOptions(read, d_head),
    gated_mlp: true,
    ...own,
  })
}

/** Which layers of a family in Llama's form have biases, and what its norms are called. */
export interface LlamaForm {
  readonly qkvBias?: boolean
  readonly outBias?: boolean
  readonly mlpBias?: boolean
  /** The checkpoint's name of each norm of a block. */
  readonly norms: Readonly<Record<string, string>>
}

/** The norms of Llama, Mistral, Qwen2 and Gemma. */
export const LLAMA_NORMS = { ln1: 'input_layernorm', ln2: 'post_attention_layernorm' }

/** The parameters of a checkpoint in Llama's form. */
export function llamaFormParameters(config: ModelConfig, shapes: TensorShapes, form: LlamaForm) {
  const { qkvBias = false, outBias = false, mlpBias = false, norms } = form
  const table = parameterTable(config, shapes, 'model.')
  table.add('embed.W_E', 'embed_tokens.weight', 'v d')
  for (let l = 0; l < config.n_layers; l++) {
    const [to, from, attention] = [`blocks.${l}`, `layers.${l}`, `layers.${l}.self_attn`]
    for (const [norm, tensor] of Object.entries(norms)) table.add(`${to}.${norm}.w`, `${from}.${tensor}.weight`, 'd')
    const tensors = {
      q: `${attention}.q_proj`,
      k: `${attention}.k_proj`,
      v: `${attention}.v_proj`,
      o: `${attention}.o_proj`,
    }
    addAttention(table, to, tensors, { qkv: qkvBias, o: outBias })
    for (const [weight, bias, tensor, out, input] of [
      ['W_gate', 'b_gate', 'gate_proj', 'm', 'd'],
      ['W_in', 'b_pre_linear', 'up_proj', 'm', 'd'],
      ['W_out', 'b_out', 'down_proj', 'd', 'm'],
    ] as const) {
      const names = { weight: `${to}.mlp.${weight}`, bias: mlpBias && `${to}.mlp.${bias}` }
      addLinear(table, { ...names, tensor: `${from}.mlp.${tensor}`, out, from: input })
    }
  }
  table.add('ln_final.w', 'norm.weight', 'd')
  addUnembedding(table, config, 'embed_tokens.weight')
  return table.specs
}

/** Rotary buffers that older checkpoints carry. */
export const LLAMA_BUFFERS = [/(^|\.)rotary_emb\.inv_freq$/]

/** Gemma's activation: `hidden_activation` counts, and the older `hidden_act` only where it says GELU too. */
export function gemmaActivation(read: ConfigReader): 'relu' | 'gelu' | 'gelu_new' | 'silu' {
  const older = read.raw('hidden_act')
  if (read.raw('hidden_activation') === undefined && older !== undefined) {
    // The first Gemma files say "gelu" and mean the tanh form, as transformers reads them.
    read.only('hidden_act', 'gelu', 'gelu_pytorch_tanh')
  }
  return read.activation('hidden_activation', 'gelu_pytorch_tanh')
}

/** Gemma's factor on embeddings: sqrt(d_model), in float32. */
export function gemmaEmbedScale(json: ConfigJson): number {
  return Math.fround(Math.sqrt(Number(json.hidden_size)))
}
