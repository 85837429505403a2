import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadModel } from '../../lab/node/load-model.ts'
import { completeTrainingConfig } from '../complete-config.ts'
import { curveOf, parseLog } from '../log.ts'
import { modularPairs } from '../tasks/modular-addition.ts'
import { tinyConfig, tinyProblem } from '../tiny-problem.fixture.ts'
import { folderStore } from './folder-store.ts'
import { trainInFolder } from './train-in-folder.ts'
import { readTrainingRecord } from './training-record.ts'

let base: string
let folder: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'diopter-train-'))
})
afterAll(() => rm(base, { recursive: true }))
beforeEach(async () => {
  folder = join(await mkdtemp(join(base, 'run-')), 'run')
})

/** Modular addition, small enough for a test. */
const small = {
  task: 'modular-addition',
  config: { p: 11, d_model: 16, n_heads: 2, d_mlp: 24 },
  seed: 4,
  steps: 12,
  evaluate: { every: 6 },
  snapshots: { every: 5 },
}

const tiny = (options: Parameters<typeof trainInFolder>[2] = {}, changes: Parameters<typeof tinyConfig>[0] = {}) =>
  trainInFolder(folder, tinyConfig({ steps: 8, ...changes }), { problem: tinyProblem(1), threads: 1, ...options })

describe('training in a folder', () => {
  it('leaves the record, the log, checkpoints, snapshots and a model that opens and computes', async () => {
    const notes = { command: 'diopter train modular-addition', version: '1.2.3' }
    const { record, modelFolder, complete } = await trainInFolder(folder, small, { threads: 1, notes })
    expect(complete).toBe(true)
    expect((await readdir(folder)).sort()).toEqual(['checkpoints', 'log.jsonl', 'model', 'snapshots', 'training.json'])
    expect(record).toEqual({ config: completeTrainingConfig(small), threads: 1, provider: 'cpu', ...notes })
    expect(await readTrainingRecord(folder)).toEqual(record)
    const log = parseLog(await readFile(join(folder, 'log.jsonl'), 'utf8'))
    expect(log.filter(({ values }) => 'test/loss' in values).map(({ step }) => step)).toEqual([0, 6, 12])
    expect(await readdir(join(folder, 'snapshots'))).toHaveLength(3)

    // the opened model has the test loss that the log ends with
    const model = await loadModel(modelFolder!, { threads: 1 })
    const { tokens, answers } = modularPairs({ p: 11, trainFraction: 0.3, labels: 'sum' }, small.seed).test
    const prompts = Array.from(answers, (_, i) => Array.from(tokens.subarray(3 * i, 3 * i + 3), Number))
    const { logits } = await model.run(prompts, { positions: 'last' })
    const losses = prompts.map((_, i) => {
      const row = logits!.data.subarray(11 * i, 11 * (i + 1)) as Float32Array
      return Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - row[Number(answers[i])]!
    })
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
    expect(mean).toBeCloseTo(curveOf(log, 'test/loss').values.at(-1)!, 5)
    await model.dispose()
  })

  it('a folder with a run is refused without resume, and kept', async () => {
    await tiny({ until: 3 })
    const before = await readFile(join(folder, 'log.jsonl'), 'utf8')
    await expect(tiny()).rejects.toThrow(
      /already holds a run of tiny \(seed 0\)\. Resume it \(--resume\), or train in an/,
    )
    expect(await readFile(join(folder, 'log.jsonl'), 'utf8')).toBe(before)
  })

  it('a folder without a run is refused with resume, and "if-any" begins there', async () => {
    await expect(tiny({ resume: 'yes' })).rejects.toThrow(/holds no run to resume/)
    expect(await tiny({ resume: 'if-any', until: 3 })).toMatchObject({ complete: false, modelFolder: null })
    expect(await tiny({ resume: 'if-any' })).toMatchObject({ complete: true, state: { step: 8 } })
  })

  it('another config is refused also before the first checkpoint', async () => {
    await tiny({ until: 3 })
    await rm(join(folder, 'checkpoints'), { recursive: true })
    await expect(tiny({ resume: 'yes' }, { seed: 1 })).rejects.toThrow(/has another seed \(was 0, now 1\)/)
    // killed before its first checkpoint, a run begins again
    const { state } = await tiny({ resume: 'yes' })
    expect(state.step).toBe(8)
    expect(parseLog(await readFile(join(folder, 'log.jsonl'), 'utf8'))[0]).toMatchObject({ step: 0 })
  })

  it('resuming keeps the number of threads and the backend; others are refused', async () => {
    await tiny({ until: 3, threads: 2 })
    await expect(tiny({ resume: 'yes', threads: 1 })).rejects.toThrow(
      /began with 2 threads, not 1: its numbers would round/,
    )
    await expect(tiny({ resume: 'yes', threads: 2, provider: 'webgpu' })).rejects.toThrow(
      /the provider cpu, not webgpu/,
    )
    const { record } = await tiny({ resume: 'yes', threads: undefined })
    expect(record).toMatchObject({ threads: 2, provider: 'cpu' })
  })

  it('a new run takes all cores unless told', async () => {
    expect((await tiny({ until: 1, threads: undefined })).record.threads).toBe(availableParallelism())
  })

  it('the same run in two folders leaves the same model and log', async () => {
    const [a, b] = [folder, `${folder}-again`]
    for (const one of [a, b]) await trainInFolder(one, small, { threads: 1 })
    for (const file of ['log.jsonl', 'model/model.safetensors', 'model/config.json', 'training.json'])
      expect(await readFile(join(a, file)), file).toEqual(await readFile(join(b, file)))
  })

  it('checkpoints that nothing describes are not trampled on', async () => {
    await tiny({ until: 3 })
    await rm(join(folder, 'training.json'))
    await expect(tiny({ resume: 'if-any' })).rejects.toThrow(/holds checkpoints, but no training\.json/)
  })

  it('a damaged record is a clear error', async () => {
    await tiny({ until: 3 })
    const path = join(folder, 'training.json')
    await writeFile(path, '{"config":')
    await expect(tiny({ resume: 'yes' })).rejects.toThrow(/training\.json is not JSON/)
    await writeFile(path, '{"config":{}}')
    await expect(tiny({ resume: 'yes' })).rejects.toThrow(/run's record .*training\.json's field threads does not fit/)
  })

  it('a broken newest checkpoint is warned about, and the run still ends with the same bytes', async () => {
    await tiny()
    const wanted = (await (await folderStore(folder, [])).latest(() => undefined))!
    const log = await readFile(join(folder, 'log.jsonl'), 'utf8')
    await rm(folder, { recursive: true })
    await tiny({ until: 3 })
    await tiny({ until: 5, resume: 'yes' })
    await writeFile(join(folder, 'checkpoints', 'step-0000000005.safetensors'), 'broken')
    const warnings: string[] = []
    const { state } = await tiny({ resume: 'yes', warn: (message) => warnings.push(message) })
    expect(warnings).toEqual([
      expect.stringMatching(/step-0000000005\.safetensors.*step-0000000003\.safetensors, is used/),
    ])
    expect(state).toEqual(wanted.state)
    expect(await readFile(join(folder, 'log.jsonl'), 'utf8')).toBe(log)
  })

  it('an unwritable place, and an unknown task, are clear errors', async () => {
    await writeFile(folder, 'a file')
    await expect(tiny()).rejects.toThrow(/run could not be written: it is a file, not a folder/)
    await expect(trainInFolder(folder, { task: 'addtion' })).rejects.toThrow(/no task 'addtion'/)
  })

  it('two processes do not train in one folder', async () => {
    await mkdir(folder)
    const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'])
    await once(other, 'spawn')
    await writeFile(join(folder, 'lock'), String(other.pid))
    await expect(tiny()).rejects.toThrow(`Process ${other.pid} is training in ${folder}.`)
    expect((await readdir(folder)).sort()).toEqual(['lock'])
    other.kill('SIGKILL')
    await once(other, 'exit')
    // a process that was killed leaves its lock, which holds nobody up
    expect((await tiny()).complete).toBe(true)
    expect(await readdir(folder)).not.toContain('lock')
  })
})
