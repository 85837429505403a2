import { parameterTable, type TensorShapes } from './architectures/parameter-table.ts'
import type { ModelConfig } from './config.ts'
import { weightAxes } from './layout.ts'
import type { ParameterSpec } from './parameters.ts'

/**
 * The parameters of weights that are stored under their public names in their public shapes: TransformerLens's state
 * dicts and processed weights. Grouped-query models may write W_K as _W_K; biases and norm weights may be absent.
 * @throws DiopterError when a weight is missing that the config needs, or has another shape.
 */
export function publicParameters(config: ModelConfig, shapes: TensorShapes): readonly ParameterSpec[] {
  const table = parameterTable(config, shapes)
  const grouped = (name: string) => name.replace(/attn\.([Wb]_[KV])$/, 'attn._$1')
  const add = (name: string, required: boolean) => {
    const stored = [name, grouped(name)].find((candidate) => shapes.has(candidate))
    if (stored === undefined && !required) return
    const source = name === 'unembed.W_U' && config.tie_word_embeddings ? 'embed.W_E' : (stored ?? name)
    const axes = source === 'embed.W_E' && name === 'unembed.W_U' ? 'od' : weightAxes(name)
    table.add(name, source, [...axes].join(' '))
  }
  for (const { name, required } of weightNames(config)) add(name, required)
  return table.specs
}

/** Every weight that a model of this config may have, in forward order. */
export function weightNames(config: ModelConfig): { readonly name: string; readonly required: boolean }[] {
  const names: { name: string; required: boolean }[] = []
  const add = (name: string, required = true) => names.push({ name, required })
  const addNorm = (name: string) => {
    const { normalization_type } = config
    if (normalization_type === null) return
    // Norms after a part keep their weights when the others are folded away.
    const own = !normalization_type.endsWith('Pre') || name.endsWith('_post')
    add(`${name}.w`, own)
    if (normalization_type.startsWith('LN')) add(`${name}.b`, own)
  }
  add('embed.W_E')
  if (config.positional_embedding_type === 'standard' || config.positional_embedding_type === 'shortformer') {
    add('pos_embed.W_pos')
  }
  for (let l = 0; l < config.n_layers; l++) {
    const block = `blocks.${l}`
    addNorm(`${block}.ln1`)
    for (const letter of ['Q', 'K', 'V', 'O']) {
      add(`${block}.attn.W_${letter}`)
      add(`${block}.attn.b_${letter}`, false)
    }
    if (config.post_norms) addNorm(`${block}.ln1_post`)
    if (config.attn_only) continue
    if (!config.shared_norm) addNorm(`${block}.ln2`)
    const gated = config.gated_mlp ? ['W_gate'] : []
    for (const weight of [...gated, 'W_in', 'W_out']) add(`${block}.mlp.${weight}`)
    const gatedBiases = config.gated_mlp ? ['b_gate', 'b_pre_linear'] : []
    for (const bias of [...gatedBiases, 'b_in', 'b_out']) add(`${block}.mlp.${bias}`, false)
    if (config.post_norms) addNorm(`${block}.ln2_post`)
  }
  if (config.final_norm) addNorm('ln_final')
  add('unembed.W_U')
  add('unembed.b_U', false)
  return names
}
