import { describe, expect, it } from 'vitest'
import type { ConfigJson } from './architectures/architecture.ts'
import { architectures } from './architectures/index.ts'
import { type CheckpointEntry, describeModel } from './describe.ts'
import { storedShape } from './parameters.ts'

const llama: ConfigJson = {
  model_type: 'llama',
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  head_dim: 4,
  intermediate_size: 12,
  max_position_embeddings: 16,
  vocab_size: 5,
}

function llamaTensors(own: Record<string, number[] | undefined> = {}): Map<string, CheckpointEntry> {
  const layer = 'model.layers.0'
  const shapes: Record<string, number[] | undefined> = {
    'model.embed_tokens.weight': [5, 8],
    [`${layer}.input_layernorm.weight`]: [8],
    [`${layer}.self_attn.q_proj.weight`]: [8, 8],
    [`${layer}.self_attn.k_proj.weight`]: [8, 8],
    [`${layer}.self_attn.v_proj.weight`]: [8, 8],
    [`${layer}.self_attn.o_proj.weight`]: [8, 8],
    [`${layer}.post_attention_layernorm.weight`]: [8],
    [`${layer}.mlp.gate_proj.weight`]: [12, 8],
    [`${layer}.mlp.up_proj.weight`]: [12, 8],
    [`${layer}.mlp.down_proj.weight`]: [8, 12],
    'model.norm.weight': [8],
    'lm_head.weight': [5, 8],
    ...own,
  }
  const present = Object.entries(shapes).filter((entry): entry is [string, number[]] => entry[1] !== undefined)
  return new Map(present.map(([name, shape]) => [name, { dtype: 'F32', shape }]))
}

const configOf = (json: ConfigJson) =>
  architectures.find(({ modelTypes }) => modelTypes.includes(json.model_type as string))!.config(json)

describe('describeModel', () => {
  it('describes a llama', () => {
    const { config, parameters, hookPoints, unread } = describeModel(llama, llamaTensors())
    expect(config).toMatchObject({ d_head: 4, n_key_value_heads: 2, gated_mlp: true, normalization_type: 'RMS' })
    const query = parameters.find(({ name }) => name === 'blocks.0.attn.W_Q')!
    expect(query).toEqual({
      name: 'blocks.0.attn.W_Q',
      shape: [2, 8, 4],
      axes: [0, 2, 1],
      source: { tensor: 'model.layers.0.self_attn.q_proj.weight' },
    })
    expect(storedShape(query)).toEqual([2, 4, 8])
    expect(hookPoints.map(({ name }) => name)).toContain('blocks.0.attn.hook_rot_k')
    expect(unread).toEqual([])
  })

  it('reads checkpoints saved without their head, and ignores buffers', () => {
    const bare = new Map([...llamaTensors()].map(([name, entry]) => [name.replace(/^model\./, ''), entry]))
    bare.set('layers.0.self_attn.rotary_emb.inv_freq', { dtype: 'F32', shape: [2] })
    const { parameters, unread } = describeModel(llama, bare)
    expect(parameters[0]!.source.tensor).toBe('embed_tokens.weight')
    expect(unread).toEqual(['layers.0.self_attn.rotary_emb.inv_freq'])
  })

  it('takes the head from the embedding where they are tied, whether the file repeats it or not', () => {
    for (const head of [undefined, [5, 8]]) {
      const tied = describeModel({ ...llama, tie_word_embeddings: true }, llamaTensors({ 'lm_head.weight': head }))
      const unembedding = tied.parameters.find(({ name }) => name === 'unembed.W_U')!
      expect(unembedding.source.tensor).toBe('model.embed_tokens.weight')
    }
    expect(() => describeModel(llama, llamaTensors({ 'lm_head.weight': undefined }))).toThrow(
      /no tensor .*lm_head.weight/,
    )
  })

  it('reads biases exactly where the config has them', () => {
    const biases = Object.fromEntries(['q', 'k', 'v', 'o'].map((x) => [`model.layers.0.self_attn.${x}_proj.bias`, [8]]))
    const names = describeModel({ ...llama, attention_bias: true }, llamaTensors(biases)).parameters.map((p) => p.name)
    expect(names).toEqual(expect.arrayContaining(['blocks.0.attn.b_Q', 'blocks.0.attn.b_O']))
    expect(() => describeModel(llama, llamaTensors(biases))).toThrow(/4 tensors that this family does not use/)
    expect(() => describeModel({ ...llama, attention_bias: true }, llamaTensors())).toThrow(/q_proj.bias/)
  })

  it('names a tensor that is missing, left over, of another shape or quantized', () => {
    const describeWith = (own: Record<string, number[] | undefined>) => () => describeModel(llama, llamaTensors(own))
    expect(describeWith({ 'model.norm.weight': undefined })).toThrow(
      /no tensor model.norm.weight, which holds ln_final.w/,
    )
    expect(describeWith({ 'model.layers.0.self_attn.q_norm.weight': [4] })).toThrow(/q_norm.weight/)
    expect(describeWith({ 'model.norm.weight': [9] })).toThrow(/has shape \[9\]; config.json says \[8\]/)
    const quantized = llamaTensors()
    quantized.set('model.norm.weight', { dtype: 'I8', shape: [8] })
    expect(() => describeModel(llama, quantized)).toThrow(/stored as I8/)
  })

  it('refuses unknown architectures by name', () => {
    for (const model_type of ['qwen3', 'gemma3_text', 'olmo2', 'mixtral', undefined]) {
      const name = model_type === undefined ? 'undefined' : `"${model_type}"`
      expect(() => describeModel({ ...llama, model_type }, llamaTensors())).toThrow(
        new RegExp(`model_type ${name}, .*Supported: gpt2, gpt_neo`),
      )
    }
  })
})

describe('config values', () => {
  const refused: [string, Record<string, unknown>][] = [
    ['rope_scaling', { rope_scaling: { rope_type: 'yarn', factor: 4 } }],
    ['rope_scaling', { rope_scaling: { type: 'dynamic', factor: 2 } }],
    ['rope_scaling', { rope_scaling: { factor: 2 } }],
    ['rope_parameters', { rope_parameters: { rope_type: 'longrope', rope_theta: 1e4 } }],
    ['low_freq_factor', { rope_scaling: { rope_type: 'llama3', factor: 2 } }],
    ['hidden_act', { hidden_act: 'quick_gelu' }],
    ['quantization_config', { quantization_config: { quant_method: 'gptq' } }],
    ['num_local_experts', { num_local_experts: 8 }],
    ['sliding_window', { sliding_window: 4 }],
    ['use_qk_norm', { use_qk_norm: true }],
    ['final_logit_softcapping', { final_logit_softcapping: 30 }],
    ['residual_multiplier', { residual_multiplier: 0.5 }],
    ['rotated', { partial_rotary_factor: 0.5 }],
    ['num_key_value_heads', { num_key_value_heads: 3 }],
    ['hidden_size', { hidden_size: '8' }],
  ]
  it.each(refused)('refuses %s in %j', (key, own) => {
    expect(() => configOf({ ...llama, ...own })).toThrow(key)
  })

  it('accepts the neutral forms of the same keys', () => {
    const neutral = {
      rope_scaling: null,
      rope_parameters: { rope_type: 'default', rope_theta: 5e5 },
      quantization_config: null,
      num_local_experts: 0,
      sliding_window: null,
      layer_types: ['full_attention'],
      residual_multiplier: 1,
      partial_rotary_factor: 1,
    }
    expect(configOf({ ...llama, ...neutral })).toMatchObject({ rotary_base: 5e5, rotary_scaling: null, rotary_dim: 4 })
  })

  it('refuses what other families cannot do', () => {
    const opt = {
      model_type: 'opt',
      hidden_size: 8,
      num_attention_heads: 2,
      num_hidden_layers: 1,
      ffn_dim: 8,
      vocab_size: 5,
    }
    expect(() => configOf({ ...opt, word_embed_proj_dim: 4 })).toThrow('word_embed_proj_dim')
    expect(() => configOf({ ...opt, do_layer_norm_before: false })).toThrow('do_layer_norm_before')
    expect(() => configOf({ ...llama, model_type: 'phi', qk_layernorm: true })).toThrow('qk_layernorm')
    expect(() => configOf({ ...llama, model_type: 'gemma', hidden_act: 'relu' })).toThrow('hidden_act')
    const window = { ...llama, model_type: 'qwen2', use_sliding_window: true, sliding_window: 4 }
    expect(() => configOf({ ...window, max_window_layers: 1 })).toThrow('max_window_layers')
    expect(configOf({ ...window, max_window_layers: 0 }).attn_windows).toEqual([4])
    expect(configOf({ ...window, layer_types: ['full_attention'] }).attn_windows).toEqual([null])
  })

  it('reads what changes attention layer by layer', () => {
    const gpt2 = { model_type: 'gpt2', n_embd: 8, n_head: 2, n_layer: 2, vocab_size: 5 }
    expect(configOf({ ...gpt2, scale_attn_by_inverse_layer_idx: true }).attn_scales).toEqual([0.5, 0.25])
    expect(configOf({ ...gpt2, scale_attn_weights: false }).attn_scales).toEqual([1, 1])
    const layers = { num_hidden_layers: 3, sliding_window: 4 }
    expect(configOf({ ...llama, ...layers, model_type: 'gemma2' }).attn_windows).toEqual([4, null, 4])
    expect(configOf({ ...llama, ...layers, model_type: 'mistral' }).attn_windows).toEqual([4, 4, 4])
    const neo = { model_type: 'gpt_neo', hidden_size: 8, num_heads: 2, num_layers: 2, vocab_size: 5, window_size: 4 }
    expect(configOf({ ...neo, attention_types: [[['global', 'local'], 1]] }).attn_windows).toEqual([null, 4])
    expect(() => configOf({ ...neo, attention_types: [[['global'], 1]] })).toThrow('attention_types')
  })

  it('fills absent keys as the family does, and tells them from null', () => {
    const absent = { head_dim: undefined, num_key_value_heads: undefined }
    const sparse = { ...llama, ...absent, num_attention_heads: 16, hidden_size: 32 }
    expect(configOf(sparse)).toMatchObject({ d_head: 2, n_key_value_heads: 16 })
    const gemma2 = configOf({ ...sparse, model_type: 'gemma2', final_logit_softcapping: null })
    expect(gemma2).toMatchObject({ d_head: 256, n_key_value_heads: 4, attn_softcap: 50, logit_softcap: null })
    expect(configOf({ ...sparse, model_type: 'mistral' }).attn_windows).toEqual([4096])
    expect(configOf({ ...sparse, model_type: 'mistral', sliding_window: null }).attn_windows).toEqual([null])
  })

  it('keeps the sequential blocks of GPT-NeoX', () => {
    const neox = { ...llama, model_type: 'gpt_neox', rotary_pct: 0.5, use_parallel_residual: false }
    expect(configOf(neox)).toMatchObject({ parallel_attn_mlp: false, rotary_dim: 2 })
  })

  it('reads toy models in TransformerLens fields, and no unknown one', () => {
    const fields = { n_layers: 1, d_model: 8, d_head: 4, n_ctx: 6, d_vocab: 5, attn_only: true }
    const toy = architectures.find(({ modelTypes }) => modelTypes.includes('toy'))!
    expect(toy.config({ config: fields })).toMatchObject({ n_heads: 2, normalization_type: null, final_norm: false })
    expect(() => toy.config({ config: { ...fields, use_solu: true } })).toThrow('use_solu')
    expect(() => toy.config({ config: { ...fields, attn_only: false, act_fn: 'solu_ln' } })).toThrow('act_fn')
    expect(() => toy.config({ config: { ...fields, positional_embedding_type: 'alibi' } })).toThrow('alibi')
  })
})
