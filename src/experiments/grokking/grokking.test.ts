import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { memoryStore, parseTrainingConfig, type TaskResources, train } from '../../train/index.ts'
import { modularAddition } from '../../train/tasks/modular-addition.ts'
import type { TrainedRun } from '../experiment.ts'
import { parseExperiment } from '../spec.ts'
import { gini } from './fourier.ts'
import { grokking } from './index.ts'
import { measureSnapshots, modularConfig } from './snapshot-measures.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 2 }) })

const noFiles: TaskResources = { readFile: () => Promise.reject(new Error('This task reads no files.')) }

/** Trains a tiny network (p = 11) for a few steps. */
async function tinyRun(): Promise<TrainedRun> {
  const config = parseTrainingConfig({
    task: 'modular-addition',
    config: { p: 11, trainFraction: 0.5, labels: 'sum', d_model: 16, n_heads: 2, d_mlp: 24 },
    seed: 3,
    steps: 60,
    optimiser: { name: 'adamw', learningRate: 0.01, weightDecay: 1, betas: [0.9, 0.98] },
    evaluate: { every: 2 },
    snapshots: { every: 25 },
  })
  const problem = await modularAddition.create(modularConfig({ config }), config.seed, noFiles)
  const store = memoryStore()
  const { state } = await train(engine, problem, config, { store })
  return {
    config,
    problem,
    log: await store.readLog(),
    parameters: state.parameters,
    snapshotSteps: [...store.snapshots.keys()],
    snapshot: async (step) => store.snapshots.get(step)!,
  }
}

it('measures a run: the losses of its log at every snapshot, spectra of its own weights, and every scalar that bars read', async () => {
  const run = await tinyRun()
  const measured = await measureSnapshots(run, engine, [2, 5], {})
  expect(measured.map(({ step }) => step)).toEqual([0, 25, 50, 60])
  for (const one of measured.filter(({ step }) => step % 2 === 0)) {
    const logged = run.log.find(({ step, values }) => step === one.step && 'test/loss' in values)!.values
    expect(one.train).toBeCloseTo(logged['train/loss'] as number, 4)
    expect(one.test).toBeCloseTo(logged['test/loss'] as number, 4)
    expect(one.squares).toBeCloseTo(logged['weights/squares'] as number, 2)
  }
  const embedding = run.problem.model!.checkpoint(run.parameters).get('embed.W_E')!.data as Float32Array
  const ofNumbers = embedding.subarray(0, 11 * 16)
  const columnMeans = Array.from({ length: 16 }, (_, d) => {
    return ofNumbers.filter((_, i) => i % 16 === d).reduce((a, b) => a + b, 0) / 11
  })
  const power = ofNumbers.reduce((sum, x, i) => sum + (x - columnMeans[i % 16]!) ** 2, 0)
  expect(measured.at(-1)!.embeddingPowers.reduce((a, b) => a + b, 0)).toBeCloseTo(power, 3)

  const context = { arm: 'main', seed: 3, parameters: {}, engine, run, resources: noFiles, quick: true }
  const measures = await grokking.measure(context)
  expect(measures.scalars.giniEmbedding).toBeCloseTo(gini(measured.at(-1)!.embeddingPowers), 6)
  const spec = parseExperiment(
    JSON.parse(readFileSync('experiments/grokking/experiment.json', 'utf8')),
    'experiments/grokking/experiment.json',
  )
  for (const { measure } of spec.bars) expect(measures.scalars).toHaveProperty(measure)
  const figures = grokking.figures([{ arm: 'main', seed: 3, measures }])
  expect(Object.keys(figures)).toEqual([
    ...['loss', 'accuracy', 'controls', 'embedding-spectrum', 'neuron-frequencies', 'progress-3', 'structure-3'],
  ])
  for (const svg of Object.values(figures)) expect(svg).toMatch(/^<svg /)
})
