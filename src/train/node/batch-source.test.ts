import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BuiltEntries, buildEntries } from '../../../test/support/build-entries.ts'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { batchesOfRun } from '../batches.ts'
import { completeTrainingConfig } from '../complete-config.ts'
import { memoryStore } from '../run-store.ts'
import { train } from '../train.ts'
import { prepareBatches } from './batch-source.ts'
import { createProblem } from './create-problem.ts'

let built: BuiltEntries
let entry: string
beforeAll(async () => {
  built = await buildEntries({ 'batch-worker': 'src/train/node/batch-worker.ts' })
  entry = built.entry('batch-worker')
})
afterAll(() => built.remove())

/** Addition of short numbers by a tiny model: batches are drawn anew at every step. */
const config = completeTrainingConfig({
  task: 'addition',
  config: { digits: 2, batchSize: 4, d_model: 8, n_heads: 1, d_mlp: 8 },
  seed: 9,
  steps: 30,
  stepsPerRun: 3,
  accumulate: 2,
  evaluate: { every: 15 },
  snapshots: {},
})

/** A turn of the event loop long enough for messages to arrive. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 5))

describe('batches from a worker thread', () => {
  it('are the ones made in place, in any order of runs, and after a jump back', async () => {
    const problem = await createProblem(config)
    const prepared = prepareBatches(problem, config, { thresholdMs: -1, entry })
    const steps = [0, 3, 6, 9, 12, 15, 3, 27, 0, 3]
    while (prepared.fromWorker < 12) {
      for (const step of steps) expect(await prepared.next(step)).toEqual(batchesOfRun(problem, step, config))
      await turn()
    }
    await prepared.dispose()
  })

  it('train to the same bytes as without', async () => {
    const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
    const single = { ...config, stepsPerRun: 1, accumulate: 1 }
    const problem = await createProblem(single)
    const [here, there] = [memoryStore(), memoryStore()]
    await train(engine, problem, single, { store: here })
    const prepared = prepareBatches(problem, single, { thresholdMs: -1, entry })
    for (let step = 0; prepared.fromWorker === 0; step = (step + 1) % 30) {
      await prepared.next(step)
      await turn()
    }
    const before = prepared.fromWorker
    await train(engine, problem, single, { store: there, batches: prepared.next })
    expect(prepared.fromWorker - before).toBe(30)
    await prepared.dispose()
    const state = async (store: typeof here) => (await store.latest(() => undefined))!.state
    expect(await state(there)).toEqual(await state(here))
    expect(there.entries).toEqual(here.entries)
    await engine.dispose()
  })

  it('stay where they are when making them is quick, or nothing is built', async () => {
    const problem = await createProblem(config)
    const warnings: string[] = []
    const warn = (message: string) => warnings.push(message)
    const [quick, unbuilt] = [
      prepareBatches(problem, config, { thresholdMs: 1e9, entry, warn }),
      prepareBatches(problem, config, { thresholdMs: -1, entry: '/nowhere/batch-worker.js', warn }),
    ]
    for (let step = 0; step < 30; step += 3) {
      for (const prepared of [quick, unbuilt])
        expect(await prepared.next(step)).toEqual(batchesOfRun(problem, step, config))
      await turn()
    }
    expect([quick.fromWorker, unbuilt.fromWorker]).toEqual([0, 0])
    expect(warnings).toEqual([
      'Batches are made between steps, because /nowhere/batch-worker.js is not built: npm run build.',
    ])
    for (const prepared of [quick, unbuilt]) await prepared.dispose()
  })

  it.each([
    [
      'makes other data',
      'port.postMessage({ step, batches: {} })',
      'makes others: it was built from other source (npm run build)',
    ],
    ['throws', "throw new Error('out of luck')", 'failed (out of luck)'],
    ['ends', 'process.exit()', 'ended'],
  ])('a worker that %s is told of, and batches are made in place', async (_, action, reason) => {
    const problem = await createProblem(config)
    const wrong = join(built.folder, `wrong-${_.length}.mjs`)
    await writeFile(
      wrong,
      `import { parentPort as port } from 'node:worker_threads'\nport.on('message', (step) => { ${action} })`,
    )
    const warnings: string[] = []
    const prepared = prepareBatches(problem, config, {
      thresholdMs: -1,
      entry: wrong,
      warn: (text) => warnings.push(text),
    })
    for (let step = 0; warnings.length === 0; step = (step + 3) % 30) {
      expect(await prepared.next(step)).toEqual(batchesOfRun(problem, step, config))
      await turn()
    }
    expect(warnings).toEqual([`Batches are made between steps, because the thread that made them ahead ${reason}.`])
    for (const step of [0, 3, 6]) expect(await prepared.next(step)).toEqual(batchesOfRun(problem, step, config))
    expect([prepared.fromWorker, warnings.length]).toEqual([0, 1])
    await prepared.dispose()
  })

  it('a worker that fails later is told of, and nothing is lost', async () => {
    const problem = await createProblem(config)
    const faltering = join(built.folder, 'faltering.mjs')
    await writeFile(
      faltering,
      `import { parentPort as port } from 'node:worker_threads'
       await import(${JSON.stringify(entry)})
       let answered = 0
       port.on('message', () => { if (++answered > 4) process.exit() })`,
    )
    const warnings: string[] = []
    const prepared = prepareBatches(problem, config, {
      thresholdMs: -1,
      entry: faltering,
      warn: (text) => warnings.push(text),
    })
    for (let step = 0; warnings.length === 0; step = (step + 3) % 30) {
      expect(await prepared.next(step)).toEqual(batchesOfRun(problem, step, config))
      await turn()
    }
    expect(prepared.fromWorker).toBeGreaterThan(0)
    expect(warnings[0]).toContain('the thread that made them ahead ended.')
    await prepared.dispose()
  })
})
