import { expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { memoryStore, parseTrainingConfig, train } from '../../train/index.ts'
import { privilegedBasis } from '../../train/tasks/privileged-basis.ts'
import { correctedKurtosis, privilegedBasisExperiment } from './index.ts'

it('moves the kurtosis of normal vectors to 3', () => {
  expect(correctedKurtosis([(3 * 127) / 129, 5], 128)[0]).toBeCloseTo(3, 10)
  expect(correctedKurtosis([5], 128)[0]).toBeCloseTo(5.0465, 3)
})

it('measures and pictures a short training', async () => {
  const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
  const resources = { readFile: () => Promise.reject(new Error('this task needs no files')) }
  const results = await Promise.all(
    (['none', 'shared'] as const).map(async (rotation) => {
      const config = parseTrainingConfig({
        task: 'privileged-basis',
        config: { n_layers: 1, d_model: 16, n_heads: 2, n_ctx: 24, vocabulary: 32, branching: 4, batch: 4, rotation },
        steps: 40,
        optimiser: { name: 'adam', learningRate: 0.01 },
        evaluate: { every: 1 },
      })
      const problem = await privilegedBasis.create(config.config as never, 0, resources)
      const store = memoryStore()
      const { state } = await train(engine, problem, config, { store })
      const run = {
        ...{ config, problem, log: store.entries, parameters: state.parameters, snapshotSteps: [] },
        snapshot: () => Promise.reject(new Error('no snapshots')),
      }
      const context = { arm: rotation, seed: 0, parameters: {}, engine, resources, run, quick: true }
      return { arm: rotation, seed: 0, measures: await privilegedBasisExperiment.measure(context) }
    }),
  )
  const [none, shared] = results.map(({ measures }) => measures)
  expect(none!.scalars.rotatedLossChange).toBeLessThan(1e-4)
  expect(none!.scalars.kurtosisError).toBeCloseTo(Math.abs(none!.scalars.meanKurtosis! - 3), 10)
  // the shared rotation is the same training, and its optimiser sees what the other model is
  expect(shared!.scalars.heldOutLoss).toBeCloseTo(none!.scalars.heldOutLoss!, 2)
  expect(shared!.scalars.largestOptimiserKurtosis).toBeCloseTo(none!.scalars.largestKurtosis!, 1)
  const drawn = privilegedBasisExperiment.figures(results)
  expect(Object.keys(drawn)).toEqual(['kurtosis-by-block', 'kurtosis-over-training', 'loss'])
  for (const svg of Object.values(drawn)) expect(svg).toMatch(/^<svg /)
}, 120_000)
