import { type TensorToWrite, writeSafetensors } from '../../src/hub/safetensors-write.ts'

/** The sizes of a checkpoint in Llama's layout. */
export interface LlamaSizes {
  readonly d_model: number
  readonly d_mlp: number
  readonly n_layers: number
  readonly vocabulary: number
  readonly tied?: boolean
}

export function llamaConfig({ d_model, d_mlp, n_layers, vocabulary, tied = false }: LlamaSizes): string {
  return JSON.stringify({
    model_type: 'llama',
    hidden_size: d_model,
    intermediate_size: d_mlp,
    num_hidden_layers: n_layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: vocabulary,
    max_position_embeddings: 32,
    rms_norm_eps: 1e-5,
    hidden_act: 'silu',
    tie_word_embeddings: tied,
  })
}

/** Names and shapes of the tensors, in the order of the file. */
export function llamaShapes({ d_model, d_mlp, n_layers, vocabulary, tied }: LlamaSizes): [string, number[]][] {
  const keys = d_model / 2
  const layer = (l: number): [string, number[]][] =>
    (
      [
        ['input_layernorm', [d_model]],
        ['self_attn.q_proj', [d_model, d_model]],
        ['self_attn.k_proj', [keys, d_model]],
        ['self_attn.v_proj', [keys, d_model]],
        ['self_attn.o_proj', [d_model, d_model]],
        ['post_attention_layernorm', [d_model]],
        ['mlp.gate_proj', [d_mlp, d_model]],
        ['mlp.up_proj', [d_mlp, d_model]],
        ['mlp.down_proj', [d_model, d_mlp]],
      ] as [string, number[]][]
    ).map(([name, shape]) => [`model.layers.${l}.${name}.weight`, shape])
  return [
    ['model.embed_tokens.weight', [vocabulary, d_model]],
    ...Array.from({ length: n_layers }, (_, l) => layer(l)).flat(),
    ['model.norm.weight', [d_model]],
    ...(tied ? [] : ([['lm_head.weight', [vocabulary, d_model]]] as [string, number[]][])),
  ]
}

/** Values that float16 and bfloat16 hold exactly: quarters from -1 to 1. */
const quarter = (i: number) => (((i * 7919) % 9) - 4) / 4

/** The bits of a quarter in half precision or bfloat16. */
function bits(x: number, dtype: 'F16' | 'BF16'): number {
  const word = new Uint32Array(Float32Array.of(x).buffer)[0]!
  if (dtype === 'BF16') return word >>> 16
  if (x === 0) return 0
  const exponent = ((word >>> 23) & 255) - 127 + 15
  return ((word >>> 16) & 0x8000) | (exponent << 10) | ((word >>> 13) & 0x3ff)
}

/** The files of a checkpoint; `shards` cuts the tensors into that many files. */
export function llamaFiles(
  sizes: LlamaSizes,
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
  shards = 1,
): Record<string, Uint8Array | string> {
  const tensors = llamaShapes(sizes).map(([name, shape], t): [string, TensorToWrite] => {
    const count = shape.reduce((a, b) => a * b, 1)
    const values = Array.from({ length: count }, (_, i) => quarter(i + 31 * t))
    const data = dtype === 'F32' ? Float32Array.from(values) : Uint16Array.from(values, (x) => bits(x, dtype))
    return [name, { dtype, shape, data }]
  })
  const config = { 'config.json': llamaConfig(sizes) }
  if (shards === 1) return { ...config, 'model.safetensors': writeSafetensors(new Map(tensors)) }
  const perShard = Math.ceil(tensors.length / shards)
  const files: Record<string, Uint8Array | string> = { ...config }
  const weight_map: Record<string, string> = {}
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-0000${shard + 1}-of-0000${shards}.safetensors`
    const own = tensors.slice(shard * perShard, (shard + 1) * perShard)
    files[file] = writeSafetensors(new Map(own))
    for (const [name] of own) weight_map[name] = file
  }
  files['model.safetensors.index.json'] = JSON.stringify({ metadata: {}, weight_map })
  return files
}
