import { describe, expect, it } from 'vitest'
import { toyConfig, toyWeights } from '../../test/support/toy-models.ts'
import { type ParameterSpec, publicValues, storedShape, storedValues } from './parameters.ts'
import { publicParameters } from './public-parameters.ts'

const counting = (n: number) => Float32Array.from({ length: n }, (_, i) => i)

describe('parameters', () => {
  it('takes a part out of the middle of a fused tensor', () => {
    // GPT-2's c_attn [d = 2, 3 * H * dh = 3 * 1 * 2]: the keys
    const spec: ParameterSpec = {
      name: 'blocks.0.attn.W_K',
      shape: [1, 2, 2],
      axes: [1, 0, 2],
      source: { tensor: 'c_attn', part: { view: [2, 3, 1, 2], axis: 1, start: 1, end: 2 } },
    }
    expect(storedShape(spec)).toEqual([2, 1, 2])
    expect([...storedValues(spec, counting(12))]).toEqual([2, 3, 8, 9])
  })

  it('shares memory with a contiguous part', () => {
    const spec: ParameterSpec = {
      name: 'pos_embed.W_pos',
      shape: [3, 2],
      axes: [0, 1],
      source: { tensor: 'positions', part: { view: [5, 2], axis: 0, start: 2, end: 5 } },
    }
    const whole = counting(10)
    const values = storedValues(spec, whole)
    expect([...values]).toEqual([4, 5, 6, 7, 8, 9])
    expect(values.buffer).toBe(whole.buffer)
  })

  it('gives back in public shape what a state dict holds, whatever the order it is stored in', () => {
    const config = toyConfig({ n_key_value_heads: 1, gated_mlp: true })
    const weights = toyWeights(config)
    const specs = publicParameters(config, new Map([...weights].map(([name, { shape }]) => [name, shape])))
    expect(specs.map(({ name }) => name).sort()).toEqual([...weights.keys()].sort())
    for (const spec of specs) {
      const { shape, data } = weights.get(spec.name)!
      expect(spec.shape).toEqual(shape)
      expect(publicValues(spec, storedValues(spec, data)), spec.name).toEqual(data)
    }
    const query = specs.find(({ name }) => name === 'blocks.0.attn.W_Q')!
    expect(storedShape(query)).toEqual([8, 2, 4])
    expect(storedValues(query, weights.get(query.name)!.data)).not.toEqual(weights.get(query.name)!.data)
  })
})
