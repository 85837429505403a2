import type { ModelConfig } from '../config.ts'
import { biasOf, type Draft, weightOf } from './values.ts'

/**
 * Moves the value biases into the output bias: a pattern's rows sum to one, so b_V reaches every token as the constant
 * sum over heads of b_V W_O. (An edited pattern whose rows do not sum to one acts differently afterwards.)
 */
export function foldValueBiases(config: ModelConfig, weights: Draft): ModelConfig {
  const { n_heads, n_key_value_heads, d_head, d_model } = config
  const perGroup = n_heads / n_key_value_heads
  for (let l = 0; l < config.n_layers; l++) {
    const name = (suffix: string) => `blocks.${l}.attn.${suffix}`
    const valueBias = weights.get(name('b_V'))
    if (!valueBias) continue
    const output = weightOf(weights, name('W_O')).data // [H, dh, d]
    const bias = biasOf(weights, name('b_O'), d_model)
    for (let head = 0; head < n_heads; head++) {
      for (let e = 0; e < d_head; e++) {
        const value = valueBias.data[Math.floor(head / perGroup) * d_head + e]!
        const row = (head * d_head + e) * d_model
        for (let d = 0; d < d_model; d++) bias[d]! += value * output[row + d]!
      }
    }
    weights.set(name('b_O'), { shape: [d_model], data: Float32Array.from(bias) })
    weights.delete(name('b_V'))
  }
  return config
}
