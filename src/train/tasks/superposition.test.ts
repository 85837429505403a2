import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { tensor } from '../../tensor/index.ts'
import { parseTrainingConfig } from '../config.ts'
import { compileEvaluation } from '../evaluate.ts'
import type { Problem } from '../problem.ts'
import { memoryStore } from '../run-store.ts'
import { train } from '../train.ts'
import { featureImportance, superposition, superpositionInputs, superpositionModels } from './superposition.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })

function create(config: object, seed = 0): Problem {
  const problem = superposition.create(v.parse(superposition.schema, config), seed, {
    readFile: () => Promise.reject(),
  })
  if (problem instanceof Promise) throw new Error('this task needs no files')
  return problem
}

/** The losses of given models by the definition, on given inputs [B, n]. */
function lossOf(x: number[][], W: number[][], b: number[], importances: number[], relu: boolean): number {
  const dot = (p: number[], q: number[]) => p.reduce((sum, value, i) => sum + value * q[i]!, 0)
  const total = x.reduce((sum, row) => {
    const hidden = W[0]!.map((_, k) =>
      dot(
        row,
        W.map((direction) => direction[k]!),
      ),
    )
    return (
      sum +
      row.reduce((own, value, i) => {
        const output = dot(W[i]!, hidden) + b[i]!
        return own + importances[i]! * (value - (relu ? Math.max(0, output) : output)) ** 2
      }, 0)
    )
  }, 0)
  return total / x.length
}

describe('superposition', () => {
  it('gives every model sparse inputs: the right share of zeros, the rest uniform, features independent', async () => {
    const config = v.parse(superposition.schema, { features: 4, densities: [1, 0.3, 0.02], copies: 1, batch: 40_000 })
    const { uniform } = create(config).microBatch(7) as { uniform: Float32Array }
    const traced = superpositionInputs(superpositionModels(config), tensor(uniform, [40_000, 4]))
    const [x] = await engine.evaluate([traced])
    const of = (model: number, feature: number) =>
      Array.from({ length: 40_000 }, (_, row) => Number(x!.data[(model * 40_000 + row) * 4 + feature]!))
    config.densities.forEach((density, model) => {
      const [first, second] = [of(model, 0), of(model, 1)]
      const active = first.filter((value) => value > 0)
      expect(Math.abs(active.length / 40_000 - density)).toBeLessThan(
        5 * Math.sqrt((density * (1 - density)) / 40_000) + 1e-4,
      )
      const mean = active.reduce((a, b) => a + b) / active.length
      expect(Math.abs(mean - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / active.length))
      expect(Math.max(...active.slice(0, 1000))).toBeLessThanOrEqual(1)
      const both = first.filter((value, row) => value > 0 && second[row]! > 0).length / 40_000
      expect(Math.abs(both - density ** 2)).toBeLessThan(5 * Math.sqrt(density ** 2 / 40_000))
    })
  })

  it('draws fresh examples at every step, the same at every resumption', () => {
    const problem = create({ batch: 16 })
    expect(problem.microBatch(3)).toEqual(create({ batch: 16 }).microBatch(3))
    expect(problem.microBatch(3)).not.toEqual(problem.microBatch(4))
    expect(problem.microBatch(3)).not.toEqual(create({ batch: 16 }, 1).microBatch(3))
  })

  it.each(['relu', 'linear'] as const)('measures the loss of its definition, %s', async (output) => {
    const config = {
      output,
      features: 3,
      hidden: 2,
      densities: [1],
      importanceDecay: 0.5,
      lastImportances: [3],
      copies: 2,
      evaluated: 5,
    }
    const problem = create(config)
    const values = problem.initial()
    const [evaluation] = problem.evaluations
    const measured = await compileEvaluation(engine, problem.parameters, evaluation!)(values)
    const u = evaluation!.inputs.uniform!.data as Float32Array
    const x = Array.from({ length: 5 }, (_, row) => [...u.subarray(row * 3, row * 3 + 3)])
    const expected = [0, 1].map((copy) => {
      const W = [0, 1, 2].map((i) => [...values.get('W')!.subarray((copy * 3 + i) * 2, (copy * 3 + i) * 2 + 2)])
      return lossOf(x, W, [0, 0, 0], [1, 0.5, 0.75], output === 'relu')
    })
    const found = measured['models/loss'] as number[]
    found.forEach((loss, copy) => {
      expect(loss).toBeCloseTo(expected[copy]!, 5)
    })
  })

  it('orders models by density, importance and copy', () => {
    const config = v.parse(superposition.schema, { densities: [1, 0.1], lastImportances: [1, 2], copies: 3 })
    const models = superpositionModels(config)
    expect(models).toHaveLength(12)
    expect(models[10]).toEqual({ density: 0.1, lastImportance: 2, copy: 1 })
    expect(featureImportance({ features: 5, importanceDecay: 0.9 }, 2, 4)).toBeCloseTo(2 * 0.9 ** 4)
  })

  it('learns an antipodal pair from sparse features and one feature from dense ones', async () => {
    const config = parseTrainingConfig({
      task: 'superposition',
      config: {
        features: 2,
        hidden: 1,
        densities: [1, 0.1],
        lastImportances: [0.5],
        copies: 8,
        batch: 128,
        evaluated: 2048,
      },
      steps: 800,
      optimiser: { name: 'adam', learningRate: 0.01 },
      stepsPerRun: 20,
      evaluate: { every: 800 },
    })
    const problem = create(config.config)
    const store = memoryStore()
    const { state } = await train(engine, problem, config, { store })
    const losses = store.entries.at(-1)!.values['models/loss'] as number[]
    const W = state.parameters.get('W')!
    const best = (from: number) => {
      const copies = Array.from({ length: 8 }, (_, copy) => from + copy)
      const place = copies.reduce((a, b) => (losses[b]! < losses[a]! ? b : a))
      return [W[2 * place]!, W[2 * place + 1]!] as const
    }
    const [dense, sparse] = [best(0), best(8)]
    expect(Math.abs(dense[0])).toBeGreaterThan(0.9)
    expect(Math.abs(dense[1])).toBeLessThan(0.2)
    expect(sparse[0] * sparse[1]).toBeLessThan(-0.7)
  })
})
