import { Matrix, SingularValueDecomposition } from 'ml-matrix'
import { afterAll, describe, expect, it } from 'vitest'
import { hasReferences, readTensors, referenceFolder, transformerLensModels } from '../../../test/support/reference.ts'
import { openToy } from '../../../test/support/toy-model.ts'
import { toyConfig } from '../../../test/support/toy-models.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { openCompiled } from '../../lab/index.ts'
import { loadModel } from '../../lab/node/load-model.ts'
import { compileModel } from '../../models/compiled/index.ts'
import { type CircuitOptions, circuits } from './circuits.ts'
import { spectrumNull } from './composition-channels.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

async function compiledCircuits(name: string, seed: number, mislead: number, options: CircuitOptions = {}) {
  const compiled = compileModel(name, { seed, mislead })
  const model = await openCompiled(compiled, backend)
  try {
    return {
      truth: compiled.truth,
      ...(await circuits(
        model,
        compiled.questions.map(({ ids }) => ids),
        options,
      )),
    }
  } finally {
    await model.dispose()
  }
}

describe('circuits from weights', () => {
  it('singular values, directions and pairs are those of the whole V x V product', async () => {
    const shape = { attn_only: true, normalization_type: null, final_norm: false, n_layers: 1, d_vocab: 7 }
    const config = toyConfig(shape)
    const model = await openToy(config)
    try {
      const all = Array.from({ length: config.d_vocab }, (_, id) => id)
      const { values } = await circuits(model, [all], { directions: 1, topK: 1 })
      for (const head of values.heads) {
        const whole = new Matrix(head.ov.pairs.map((row) => [...row]))
        const svd = new SingularValueDecomposition(whole)
        const rank = Math.min(3, head.ov.fullSingularValues.length)
        for (let i = 0; i < rank; i++) expect(head.ov.fullSingularValues[i]).toBeCloseTo(svd.diagonal[i]!, 3)
        const left = svd.leftSingularVectors.getColumn(0)
        const strongest = left.reduce((best, x, i) => (Math.abs(x) > Math.abs(left[best]!) ? i : best), 0)
        expect(head.ov.directions[0]!.reads.positive[0]!.id).toBe(strongest)
        const queries = new SingularValueDecomposition(new Matrix(head.qk.pairs.map((row) => [...row])))
        expect(head.qk.fullSingularValues[0]).toBeCloseTo(queries.diagonal[0]!, 3)
      }
    } finally {
      await model.dispose()
    }
  })

  it('without positions, the QK circuit of layer 0 is what attention scores are', async () => {
    const config = toyConfig({ attn_only: true, n_layers: 1, positional_embedding_type: 'none' })
    const model = await openToy(config)
    try {
      const { values } = await circuits(model, [[1, 4, 2, 5, 3]])
      for (const { scoresExplained } of values.heads) expect(scoresExplained).toBeGreaterThan(0.9999)
    } finally {
      await model.dispose()
    }
  })

  it.each([11, 12, 13])('checks fire where a mechanism misleads, and not beside it (seed %i)', async (seed) => {
    const cases = [
      ['non-normal-copying', 'heads with positive eigenvalues copy'],
      ['common-mode', 'composition is no common direction'],
      ['composition-channel', 'composition in use shows in the weights'],
    ] as const
    for (const [family, name] of cases) {
      const verdicts = []
      for (const mislead of [1, 0]) {
        const { checks } = await compiledCircuits(family, seed, mislead)
        verdicts.push(checks.find((check) => check.name === name)!.verdict)
      }
      expect([family, ...verdicts]).toEqual([family, 'fails', 'holds'])
    }
  })

  it('the planted pair is first, by its one direction where the norm hides it', async () => {
    const { truth, values } = await compiledCircuits('composition-channel', 11, 1)
    const best = [...values.compositions.K].sort((a, b) => b.channelZ - a.channelZ)[0]!
    const role = (place: { layer: number; head: number }) => truth.roles[`L${place.layer}H${place.head}`]
    expect([role(best.from), role(best.to)]).toEqual(['marks', 'finds'])
    expect(best.centredZ).toBeLessThan(3)
  })

  it('the null of equal spectra has the mean and spread of random rotations', () => {
    // A single direction against a single one: the square of one entry of a random unit vector.
    const { mean, deviation } = spectrumNull([2], [3], 10)
    expect(mean).toBeCloseTo(0.1, 12)
    expect(deviation).toBeCloseTo(Math.sqrt(3 / 120 - 0.01), 12)
    // A full basis against anything is always the same.
    expect(spectrumNull(new Array<number>(10).fill(1), [3, 1], 10).deviation).toBeCloseTo(0, 6)
  })
})

describe.skipIf(!hasReferences)('circuits agree with TransformerLens (skipped without ../shared/reference)', () => {
  it.each(transformerLensModels)('%s', async (name) => {
    const folder = `${referenceFolder}/transformerlens/${name}`
    const tools = readTensors(`${folder}/tools.safetensors`)
    const model = await loadModel(folder)
    try {
      const { values } = await circuits(model, [], { directions: 1 })
      const { n_heads, d_head } = model.config
      for (const { layer, head, ov, qk, eigenvalues } of values.heads) {
        const own = (tool: string) => {
          const at = (layer * n_heads + head) * d_head
          return [...tools.get(tool)!.data.slice(at, at + d_head)]
        }
        const close = (actual: readonly number[], expected: readonly number[]) =>
          Math.max(...actual.map((x, i) => Math.abs(x - expected[i]!)))
        const falling = (list: readonly number[]) => [...list].sort((a, b) => b - a)
        expect(ov.singularValues).toHaveLength(d_head)
        expect(close(ov.singularValues, own('OV_svd_S'))).toBeLessThan(1e-5)
        expect(close(qk.singularValues, own('QK_svd_S'))).toBeLessThan(1e-5)
        const sizes = eigenvalues.map(([real, imaginary]) => Math.hypot(real, imaginary))
        expect(close(falling(sizes), falling(own('OV_eig_abs_sorted')))).toBeLessThan(1e-5)
      }
    } finally {
      await model.dispose()
    }
  })
})
