import { DiopterError } from '../../errors/index.ts'
import { concat, type Tensor } from '../../tensor/index.ts'
import type { ModelConfig } from '../config.ts'

/**
 * Rotates the first rotary_dim features of every head by its position's angles (Su et al. 2021, RoFormer).
 * x is [...tokens, heads, dh]; the tables broadcast to [...tokens, heads, rotary_dim / 2].
 */
export function rotate(x: Tensor, { cos, sin }: { cos: Tensor; sin: Tensor }, config: ModelConfig): Tensor {
  const { rotary_dim, rotary_adjacent_pairs } = config
  const turning = x.slice(-1, 0, rotary_dim)
  const passed = x.slice(-1, rotary_dim)
  if (!rotary_adjacent_pairs) return concat([turning.rotate(cos, sin), passed], -1)
  // Features 2i and 2i + 1 are partners: [..., rotary_dim / 2, 2], turned as [..., 2, rotary_dim / 2] and back.
  const pairs = [...x.shape.slice(0, -1), rotary_dim / 2, 2]
  const halves = turning
    .reshape(...pairs)
    .transpose()
    .reshape(...turning.shape)
  const turned = halves
    .rotate(cos, sin)
    .reshape(...x.shape.slice(0, -1), 2, rotary_dim / 2)
    .transpose()
  return concat([turned.reshape(...turning.shape), passed], -1)
}

/**
 * Cosines and sines of every position's angles, each row-major [positions, rotary_dim / 2].
 * Frequencies and angles are rounded to float32 as the reference implementations round them.
 */
export function rotaryTables(
  config: ModelConfig,
  positions: ArrayLike<number>,
): { cos: Float32Array; sin: Float32Array } {
  const frequencies = rotaryFrequencies(config)
  const half = frequencies.length
  const cos = new Float32Array(positions.length * half)
  const sin = new Float32Array(positions.length * half)
  for (let p = 0; p < positions.length; p++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(positions[p]! * frequencies[i]!)
      cos[p * half + i] = Math.cos(angle)
      sin[p * half + i] = Math.sin(angle)
    }
  }
  return { cos, sin }
}

/** Radians per position of each rotated pair, after the config's scaling for long contexts. */
export function rotaryFrequencies(config: ModelConfig): Float32Array {
  const { rotary_dim, rotary_base, rotary_scaling } = config
  return Float32Array.from({ length: rotary_dim / 2 }, (_, i) => {
    const frequency = rotary_base ** ((-2 * i) / rotary_dim)
    if (rotary_scaling === null) return frequency
    if (rotary_scaling.type === 'linear') return frequency / rotary_scaling.factor
    return llama3Frequency(frequency, rotary_scaling)
  })
}

/** Llama 3.1's rule: short wavelengths stay, long ones are slowed by `factor`, those between are blended. */
function llama3Frequency(frequency: number, scaling: NonNullable<ModelConfig['rotary_scaling']>): number {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: context } = scaling
  if (low === undefined || high === undefined || context === undefined) {
    throw new DiopterError(
      'llama3 rotary scaling needs low_freq_factor, high_freq_factor and original_max_position_embeddings.',
    )
  }
  const turns = (context * frequency) / (2 * Math.PI)
  if (turns > high) return frequency
  if (turns < low) return frequency / factor
  const blend = (turns - low) / (high - low)
  return (1 - blend) * (frequency / factor) + blend * frequency
}
