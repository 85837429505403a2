import { afterAll, describe, expect, it } from 'vitest'
import { Engine } from '../engine/index.ts'
import { createNodeBackend } from '../engine/node/backend.ts'
import type { Progress } from '../errors/index.ts'
import { batchesOfRun } from './batches.ts'
import { curveOf } from './log.ts'
import { type MemoryStore, memoryStore } from './run-store.ts'
import { tinyConfig, tinyProblem } from './tiny-problem.fixture.ts'
import { train } from './train.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
afterAll(() => engine.dispose())

const problem = tinyProblem(5)

/** What a run leaves behind, but for the seconds. */
async function remains(store: MemoryStore) {
  const { state, logBytes } = (await store.latest(() => undefined))!
  return { state, logBytes, entries: store.entries, snapshots: store.snapshots }
}

async function uninterrupted(config = tinyConfig()) {
  const store = memoryStore()
  const result = await train(engine, problem, config, { store })
  return { store, result, remains: await remains(store) }
}

describe('training', () => {
  it('learns the planted map, and logs, evaluates and keeps snapshots when they are due', async () => {
    const { store, result } = await uninterrupted(tinyConfig({ logEvery: 20 }))
    expect(result).toMatchObject({ complete: true, state: { step: 60 } })
    expect(result.seconds).toBeGreaterThan(0)
    expect(curveOf(store.entries, 'loss').steps).toEqual([20, 40, 60])
    expect(curveOf(store.entries, 'perOutput', 2).steps).toEqual([20, 40, 60])
    const heldOut = curveOf(store.entries, 'heldOut/loss')
    expect(heldOut.steps).toEqual([0, 1, 2, 5, 10, 22, 46, 60]) // the last step whatever the cadence
    expect(heldOut.values.at(-1)).toBeLessThan(heldOut.values[0]! / 10)
    expect([...store.snapshots.keys()]).toEqual([0, 1, 3, 10, 25, 32, 50])
    expect(store.snapshots.get(0)).toEqual(problem.initial())
  })

  it('the same config gives the same bytes, another seed of data does not', async () => {
    const [a, b] = [await uninterrupted(), await uninterrupted()]
    expect(a.remains).toEqual(b.remains)
    const other = memoryStore()
    await train(engine, tinyProblem(6), tinyConfig(), { store: other })
    expect((await remains(other)).entries).not.toEqual(a.remains.entries)
  })

  it('stopped by until and resumed, it ends as if it had not been', async () => {
    for (const changes of [{}, { stepsPerRun: 4, accumulate: 2 }]) {
      const config = tinyConfig(changes)
      const whole = await uninterrupted(config)
      const store = memoryStore()
      for (const until of [0, 7, 8, 31, 59]) {
        const { state, complete } = await train(engine, problem, config, { store, until })
        const { stepsPerRun } = config
        expect({ step: state.step, complete }).toEqual({
          step: Math.ceil(until / stepsPerRun) * stepsPerRun,
          complete: until === 59 && stepsPerRun === 4,
        })
      }
      const { complete } = await train(engine, problem, config, { store })
      expect(complete).toBe(true)
      expect(await remains(store)).toEqual(whole.remains)
    }
  })

  it('an abort saves, and resuming repeats what was logged after the last checkpoint', async () => {
    const store = memoryStore()
    const controller = new AbortController()
    const stopped = await train(engine, problem, tinyConfig(), {
      store,
      signal: controller.signal,
      onProgress: ({ done }) => done === 23 && controller.abort(),
    })
    expect(stopped).toMatchObject({ complete: false, state: { step: 23 } })
    expect((await store.latest(() => undefined))!.state.step).toBe(23)
    // a process that went on and died before its next checkpoint
    await store.log({ step: 24, values: { loss: 7 } })
    await train(engine, problem, tinyConfig(), { store })
    expect(await remains(store)).toEqual((await uninterrupted()).remains)
  })

  it('a finished run that is resumed stays as it is', async () => {
    const { store, remains: before } = await uninterrupted()
    const again = await train(engine, problem, tinyConfig(), { store })
    expect(again.complete).toBe(true)
    expect(await remains(store)).toEqual(before)
  })

  it('says how far it is', async () => {
    const heard: Progress[] = []
    await train(engine, problem, tinyConfig({ steps: 4 }), { store: memoryStore(), onProgress: (p) => heard.push(p) })
    expect(heard.map(({ done, total }) => [done, total])).toEqual([1, 2, 3, 4].map((done) => [done, 4]))
    expect(heard[0]).toMatchObject({
      phase: 'training',
      unit: 'steps',
      detail: expect.stringMatching(/^loss \S+, \d+ tokens\/s$/),
    })
    expect(heard[3]!.etaSeconds).toBe(0)
  })

  it('takes batches from where it is told', async () => {
    const asked: number[] = []
    const store = memoryStore()
    const config = tinyConfig({ steps: 6, stepsPerRun: 3 })
    await train(engine, problem, config, {
      store,
      batches: async (step) => {
        asked.push(step)
        return batchesOfRun(problem, step, config)
      },
    })
    expect(asked).toEqual([0, 3])
    expect(await remains(store)).toEqual((await uninterrupted(config)).remains)
  })

  it('a checkpoint of another config is refused by what differs', async () => {
    const { store } = await uninterrupted()
    const other = tinyConfig({ seed: 3, optimiser: { name: 'sgd', learningRate: 0.1 } })
    await expect(train(engine, problem, other, { store })).rejects.toThrow(
      /another seed \(was 0, now 3\), optimiser \(was .*adam.*, now .*sgd.*\)\. Resume it with its own config/,
    )
  })
})

describe('a training that diverges', () => {
  const diverging = tinyConfig({
    steps: 400,
    optimiser: { name: 'sgd', learningRate: 40 },
    clip: undefined,
    schedule: {},
  })

  it('is an error that says where and what to do; the last finite checkpoint is kept, and the log shows it', async () => {
    const store = memoryStore()
    await train(engine, problem, diverging, { store, until: 2 })
    await expect(train(engine, problem, diverging, { store, checkpointSeconds: 1e9 })).rejects.toThrow(
      /^At step \d+ the loss is .*training diverged\. Lower the learning rate, or clip.*The last checkpoint is of step 2,/,
    )
    expect((await store.latest(() => undefined))!.state.step).toBe(2)
    const losses = curveOf(store.entries, 'loss').values
    expect(losses.slice(0, -1).every(Number.isFinite)).toBe(true)
  })

  it('names a checkpoint that it made itself, and every checkpoint holds numbers', async () => {
    const store = memoryStore()
    const saved: number[] = []
    const watched = {
      ...store,
      save: (checkpoint: Parameters<typeof store.save>[0]) => {
        for (const values of checkpoint.state.parameters.values()) expect(values.every(Number.isFinite)).toBe(true)
        saved.push(checkpoint.state.step)
        return store.save(checkpoint)
      },
    }
    const failure = await train(engine, problem, diverging, { store: watched, checkpointSeconds: 0 }).catch(String)
    expect(saved.length).toBeGreaterThan(2)
    expect(failure).toContain(`The last checkpoint is of step ${saved.at(-1)}, before that.`)
  })

  it('before any checkpoint, it says that there is none', async () => {
    await expect(train(engine, problem, diverging, { store: memoryStore() })).rejects.toThrow(
      'The last checkpoint was not yet made.',
    )
  })

  it('a loss that stops being a number between runs of several steps is found at its step', async () => {
    const store = memoryStore()
    const failure = await train(engine, problem, { ...diverging, stepsPerRun: 20 }, { store }).catch(String)
    const { step, values } = store.entries.at(-1)!
    expect(failure).toContain(`At step ${step} `)
    expect(step % 20).not.toBe(0)
    expect([values.loss, values.gradientNorm].every(Number.isFinite as (v: unknown) => boolean)).toBe(false)
  })
})
