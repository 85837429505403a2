import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openInductionToy } from '../../../test/support/induction-toy.ts'
import { openToy } from '../../../test/support/toy-model.ts'
import { toyConfig } from '../../../test/support/toy-models.ts'
import type { Model } from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import { eigenvalueCopying } from './eigenvalue-copying.ts'

describe('eigenvalue copying', () => {
  let planted: Model
  beforeAll(async () => {
    planted = await openInductionToy()
  })
  afterAll(() => planted.dispose())

  it('is 1 for the head that was built to copy', async () => {
    const { scores, centred } = await eigenvalueCopying(planted)
    expect(scores[1]![0]).toBeCloseTo(1, 2)
    expect(centred[1]![0]).toBeGreaterThan(0.9)
  })

  it('scatters around 0 for random heads, as its null says', async () => {
    const random = randomSource(5, 'weights')
    const change = (_: string, data: Float32Array) => data.map(() => random.normal())
    const shape = { attn_only: true, d_model: 64, n_heads: 8, d_head: 8, normalization_type: null, final_norm: false }
    const model = await openToy(toyConfig(shape), { change })
    try {
      const { scores, random: chance } = await eigenvalueCopying(model)
      expect(chance.mean).toBeCloseTo(0, 1)
      // protocols: 0.20 for heads of 8 dimensions
      expect(chance.deviation).toBeGreaterThan(0.15)
      expect(chance.deviation).toBeLessThan(0.25)
      expect(Math.max(...scores.flat().map((score) => Math.abs(score!)))).toBeLessThan(0.8)
    } finally {
      await model.dispose()
    }
  })

  it('sees through a head that raises all logits alike only when centred', async () => {
    const shape = { attn_only: true, d_model: 64, n_heads: 4, d_head: 8, normalization_type: null, final_norm: false }
    const random = randomSource(6, 'weights')
    const change = (name: string, data: Float32Array) => {
      const noise = data.map(() => random.normal())
      // every token is read as one direction, too, and that direction raises every logit
      return /W_E|W_V|W_O|W_U/.test(name) ? noise.map((x) => x + 1) : noise
    }
    const model = await openToy(toyConfig(shape), { change })
    try {
      const { scores, centred } = await eigenvalueCopying(model)
      expect(Math.min(...scores.flat().map((score) => score!))).toBeGreaterThan(0.95)
      expect(Math.max(...centred.flat().map((score) => Math.abs(score!)))).toBeLessThan(0.8)
    } finally {
      await model.dispose()
    }
  })
})
