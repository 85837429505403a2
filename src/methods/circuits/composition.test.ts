import { afterAll, describe, expect, it } from 'vitest'
import {
  hasReferences,
  largestError,
  readTensors,
  referenceFolder,
  transformerLensModels,
} from '../../../test/support/reference.ts'
import { openToy } from '../../../test/support/toy-model.ts'
import { toyConfig } from '../../../test/support/toy-models.ts'
import type { Model } from '../../lab/index.ts'
import { loadModel } from '../../lab/node/load-model.ts'
import { randomSource } from '../../random/index.ts'
import { COMPOSITIONS, compositionScores, rankPairs } from './composition.ts'

const WIDTH = 64
const config = toyConfig({
  attn_only: true,
  d_model: WIDTH,
  n_heads: 4,
  d_head: 8,
  normalization_type: null,
  final_norm: false,
})

describe('composition scores', () => {
  const models: Model[] = []
  const open = async (change: (name: string, data: Float32Array) => Float32Array) => {
    const random = randomSource(3, 'weights')
    const model = await openToy(config, {
      change: (name, data) =>
        change(
          name,
          data.map(() => random.normal()),
        ),
    })
    models.push(model)
    return model
  }
  afterAll(() => Promise.all(models.map((model) => model.dispose())))

  it('random heads lie at 1 / sqrt(d_model), as the null says', async () => {
    const scores = await compositionScores(await open((_, data) => data))
    for (const kind of COMPOSITIONS) {
      const { mean, deviation } = scores.random[kind]
      expect(mean).toBeCloseTo(1 / Math.sqrt(WIDTH), 2)
      expect(deviation).toBeGreaterThan(0.002)
      expect(deviation).toBeLessThan(0.02)
      const ranked = rankPairs(scores, kind)
      expect(ranked).toHaveLength(16)
      expect(Math.max(...ranked.map(({ z }) => Math.abs(z)))).toBeLessThan(4.5)
    }
  })

  it('a common direction that a layer norm removes raises the raw scores, not the centred ones', async () => {
    const scores = await compositionScores(
      await open((name, data) => {
        if (!/blocks\.(0\.attn\.W_O|1\.attn\.W_K)$/.test(name)) return data
        return data.map((x) => x + 1)
      }),
    )
    expect(rankPairs(scores, 'K').at(-1)!.z).toBeGreaterThan(10)
    expect(Math.max(...rankPairs(scores, 'K', true).map(({ z }) => Math.abs(z)))).toBeLessThan(4.5)
    expect(Math.max(...rankPairs(scores, 'Q').map(({ z }) => Math.abs(z)))).toBeLessThan(10)
  })
})

describe.skipIf(!hasReferences)('composition agrees with TransformerLens (skipped without ../shared/reference)', () => {
  it.each(transformerLensModels)('%s', async (name) => {
    const folder = `${referenceFolder}/transformerlens/${name}`
    const tools = readTensors(`${folder}/tools.safetensors`)
    const model = await loadModel(folder)
    try {
      const { scores } = await compositionScores(model)
      for (const kind of COMPOSITIONS)
        expect(largestError(scores[kind].flat(3), tools.get(`composition_${kind}`)!.data), kind).toBeLessThan(1e-5)
    } finally {
      await model.dispose()
    }
  })
})
