import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig } from '../config.ts'
import { biasOf, type Draft, matrices, type WeightValues, weightOf } from './values.ts'

/** A weight that reads a norm's output, and the bias that takes up the norm's bias. */
interface Reader {
  readonly weight: string
  readonly bias: string
}

/**
 * Moves every norm's own weight and bias into the weights that read its output: with y = n * w + b,
 * y W + c = n (w W) + (b W + c). After a layer norm the readers are centred as well: n sums to zero, so the mean
 * of a reader's column adds nothing. Norms behind attention and MLP (Gemma 2) write to the residual stream and stay.
 */
export function foldNorms(config: ModelConfig, weights: Draft): ModelConfig {
  const type = config.normalization_type
  if (type === null) throw new DiopterError('fold_ln: this model has no norms to fold.')
  if (type.endsWith('Pre')) throw new DiopterError("fold_ln: this model's norms were folded already.")
  if (config.positional_embedding_type === 'shortformer') {
    throw new DiopterError(
      'fold_ln: queries and keys read the norm plus position embeddings here, and folding the norm into them would scale the positions too.',
    )
  }
  for (const { norm, readers } of normReaders(config)) {
    for (const reader of readers) foldInto(config, weights, norm, reader)
    weights.delete(`${norm}.w`)
    weights.delete(`${norm}.b`)
  }
  return { ...config, normalization_type: type === 'LN' ? 'LNPre' : 'RMSPre', tie_word_embeddings: false }
}

function normReaders(config: ModelConfig): { norm: string; readers: Reader[] }[] {
  const folds: { norm: string; readers: Reader[] }[] = []
  for (let l = 0; l < config.n_layers; l++) {
    const [attn, mlp] = [`blocks.${l}.attn`, `blocks.${l}.mlp`]
    const attention = ['Q', 'K', 'V'].map((x) => ({ weight: `${attn}.W_${x}`, bias: `${attn}.b_${x}` }))
    const gated = [
      { weight: `${mlp}.W_gate`, bias: `${mlp}.b_gate` },
      { weight: `${mlp}.W_in`, bias: `${mlp}.b_pre_linear` },
    ]
    const neurons = config.gated_mlp ? gated : [{ weight: `${mlp}.W_in`, bias: `${mlp}.b_in` }]
    const shared = config.shared_norm && !config.attn_only
    folds.push({ norm: `blocks.${l}.ln1`, readers: shared ? [...attention, ...neurons] : attention })
    if (!shared && !config.attn_only) folds.push({ norm: `blocks.${l}.ln2`, readers: neurons })
  }
  if (config.final_norm) folds.push({ norm: 'ln_final', readers: [{ weight: 'unembed.W_U', bias: 'unembed.b_U' }] })
  return folds
}

function foldInto(config: ModelConfig, weights: Draft, norm: string, { weight, bias }: Reader): void {
  const before = weightOf(weights, weight)
  const scale = weightOf(weights, `${norm}.w`).data
  const shift = weights.get(`${norm}.b`)?.data
  const center = config.normalization_type === 'LN'
  const after: WeightValues = { shape: before.shape, data: new Float32Array(before.data.length) }
  const parts = matrices(before)
  const columns = before.shape.at(-1)!
  const biases = biasOf(weights, bias, parts.length * columns)
  parts.forEach(({ rows, at }, part) => {
    for (let column = 0; column < columns; column++) {
      let [sum, fromShift] = [0, 0]
      for (let row = 0; row < rows; row++) {
        const value = before.data[at(row, column)]!
        sum += value * (scale[row]! + config.norm_weight_offset)
        if (shift) fromShift += value * shift[row]!
      }
      const mean = center ? sum / rows : 0
      for (let row = 0; row < rows; row++) {
        const i = at(row, column)
        after.data[i] = before.data[i]! * (scale[row]! + config.norm_weight_offset) - mean
      }
      biases[part * columns + column]! += fromShift
    }
  })
  weights.set(weight, after)
  // [H, d, dh] has biases [H, dh], [d, m] has [m]: the shape without the axis that was summed
  const shape = [...before.shape.slice(0, -2), columns]
  if (shift) weights.set(bias, { shape, data: Float32Array.from(biases) })
}
