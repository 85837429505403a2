import {
  appendFile,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RunStore, TrainingCheckpoint } from '../run-store.ts'
import { tinyConfig, tinyProblem } from '../tiny-problem.fixture.ts'
import { removeUnfinished, writeAtomically } from './atomic-write.ts'
import { checkpointSteps, folderStore, readSnapshot, snapshotSteps } from './folder-store.ts'

let base: string
let folder: string
let store: RunStore
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'diopter-store-'))
})
afterAll(() => rm(base, { recursive: true }))
beforeEach(async () => {
  folder = await mkdtemp(join(base, 'run-'))
  store = await folderStore(folder, tinyProblem(1).parameters)
})

/** A checkpoint whose numbers all say its step. */
function checkpoint(step: number, logBytes = 0): TrainingCheckpoint {
  const values = (size: number) => new Float32Array(size).fill(step)
  return {
    state: {
      step,
      parameters: new Map([
        ['W', values(12)],
        ['b', values(3)],
      ]),
      moments: new Map([
        ['first/W', values(12)],
        ['second/b', values(3)],
      ]),
    },
    config: tinyConfig(),
    logBytes,
    seconds: step / 8,
  }
}

/** The newest good checkpoint, and what was said about others. */
async function latest() {
  const warnings: string[] = []
  return { checkpoint: await store.latest((message) => warnings.push(message)), warnings }
}

const file = (step: number) => join(folder, 'checkpoints', `step-${String(step).padStart(10, '0')}.safetensors`)

describe('checkpoints in a folder', () => {
  it('come back as they were saved; the newest two stay', async () => {
    expect(await latest()).toEqual({ checkpoint: undefined, warnings: [] })
    for (const step of [3, 9, 27, 1000]) await store.save(checkpoint(step))
    expect(await latest()).toEqual({ checkpoint: checkpoint(1000), warnings: [] })
    expect(await checkpointSteps(folder)).toEqual([27, 1000])
    expect(await readdir(join(folder, 'checkpoints'))).toHaveLength(2)
  })

  it.each<[string, (path: string) => Promise<void>, RegExp]>([
    ['cut off', (path) => truncate(path, 300), /./],
    ['cut off in its header', (path) => truncate(path, 20), /./],
    ['empty', (path) => truncate(path, 0), /./],
    ['garbage', (path) => writeFile(path, 'no checkpoint at all, but longer than eight bytes'), /./],
    ['changed in one bit of its data', (path) => flipBit(path, -1), /is damaged: its checksum is another/],
    ['changed in one bit in the middle', (path) => flipBit(path, -60), /is damaged: its checksum is another/],
    ['of another step than its name says', (path) => copyFile(file(9), path), /is damaged/],
  ])('one that is %s is passed over with a warning, and the one before is used', async (_, damage, message) => {
    await store.save(checkpoint(9))
    await store.save(checkpoint(27))
    const path = file(27)
    await damage(path)
    const { checkpoint: found, warnings } = await latest()
    expect(found).toEqual(checkpoint(9))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(message)
    expect(warnings[0]).toContain(path)
    expect(warnings[0]).toContain('The checkpoint before it, step-0000000009.safetensors, is used.')
  })

  it('when all are broken, that is an error, and nothing is thrown away', async () => {
    await store.save(checkpoint(9))
    await store.save(checkpoint(27))
    for (const step of [9, 27]) await writeFile(file(step), 'x')
    await expect(latest()).rejects.toThrow(
      /No checkpoint in .*checkpoints is whole: .*27\.safetensors.*09\.safetensors.* Delete the folder to train from the start/,
    )
    expect(await checkpointSteps(folder)).toEqual([9, 27])
  })

  it('values that belong to no parameter are refused', async () => {
    const { state, ...rest } = checkpoint(1)
    const stray = { ...state, parameters: new Map([['V', new Float32Array(2)]]) }
    await expect(store.save({ ...rest, state: stray })).rejects.toThrow('V, which is no parameter of this problem')
  })
})

/** Flips a bit of the byte at a place that counts from the end. */
async function flipBit(path: string, place: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[bytes.length + place]! ^= 4
  await writeFile(path, bytes)
}

describe('the log in a folder', () => {
  it('grows by whole lines, counts bytes (not letters), and is cut where a checkpoint says', async () => {
    await store.truncateLog(0)
    const first = await store.log({ step: 1, values: { größe: 0.5 } })
    const text = await readFile(join(folder, 'log.jsonl'), 'utf8')
    expect(first).toBe(Buffer.byteLength(text))
    expect(first).toBe(text.length + 2)
    await store.log({ step: 2, values: { loss: Number.NaN } })
    await appendFile(join(folder, 'log.jsonl'), '{"step":3,"lo') // what a killed process leaves
    const again = await folderStore(folder, [])
    await again.truncateLog(first)
    expect(await again.readLog()).toEqual([{ step: 1, values: { größe: 0.5 } }])
    expect(await again.log({ step: 2, values: { loss: 4 } })).toBe(first + '{"step":2,"loss":4}\n'.length)
  })

  it.each([
    ['shorter than its checkpoint knows', 400],
    ['another one, whose lines end elsewhere', 7],
  ])('one that is %s is refused', async (_, bytes) => {
    await store.truncateLog(0)
    await store.log({ step: 1, values: { loss: 1 } })
    await expect(store.truncateLog(bytes)).rejects.toThrow(
      /is not the log that the checkpoint was made with: no line of it ends after .* Put it back, or train/,
    )
    expect(await store.readLog()).toHaveLength(1)
  })
})

describe('snapshots in a folder', () => {
  it('are listed by step and read back', async () => {
    expect(await snapshotSteps(folder)).toEqual([])
    for (const step of [100, 0, 22]) await store.snapshot(step, checkpoint(step).state.parameters)
    expect(await snapshotSteps(folder)).toEqual([0, 22, 100])
    expect(await readSnapshot(folder, 22)).toEqual(checkpoint(22).state.parameters)
    await expect(readSnapshot(folder, 23)).rejects.toThrow(/step-0000000023\.safetensors could not be read/)
  })
})

describe('a folder that cannot be written', () => {
  it('a file in its place is a clear error', async () => {
    const path = join(folder, 'file')
    await writeFile(path, '')
    await expect(folderStore(path, [])).rejects.toThrow(/checkpoints could not be written: .* is a file/)
    await rm(join(folder, 'checkpoints'), { recursive: true })
    await writeFile(join(folder, 'checkpoints'), '')
    await expect(store.save(checkpoint(1))).rejects.toThrow(/could not be written: it is a file, not a folder/)
  })

  it('a folder that went away while training comes back for checkpoints', async () => {
    await rm(join(folder, 'checkpoints'), { recursive: true })
    await store.truncateLog(0)
    await store.save(checkpoint(1))
    expect(await latest()).toEqual({ checkpoint: checkpoint(1), warnings: [] })
  })

  it('a full disk is said to be full, and what was saved before is untouched', async () => {
    await store.truncateLog(0)
    await store.save(checkpoint(9))
    // /dev/full takes no byte: "no space left on device", as on a full disk
    await rm(join(folder, 'log.jsonl'))
    await symlink('/dev/full', join(folder, 'log.jsonl'))
    await expect(store.log({ step: 10, values: { loss: 1 } })).rejects.toThrow(
      /log\.jsonl could not be written: the disk is full\. What was saved before is untouched\./,
    )
    await symlink('/dev/full', `${file(27)}.${process.pid}.tmp`)
    await rm(join(folder, 'log.jsonl'))
    await writeFile(join(folder, 'log.jsonl'), '')
    await expect(store.save(checkpoint(27))).rejects.toThrow(
      /step-0000000027\.safetensors could not be written: the disk is full/,
    )
    expect(await latest()).toEqual({ checkpoint: checkpoint(9), warnings: [] })
    expect(await readdir(join(folder, 'checkpoints'))).toHaveLength(1)
  })
})

describe('atomic writes', () => {
  it('replace a file whole, and leave nothing of a failed one', async () => {
    const path = join(folder, 'file')
    await writeAtomically(path, 'first')
    await writeAtomically(path, Uint8Array.of(104, 105))
    expect(await readFile(path, 'utf8')).toBe('hi')
    await mkdir(join(folder, 'taken'))
    await writeFile(join(folder, 'taken', 'inside'), '')
    await expect(writeAtomically(join(folder, 'taken'), 'x')).rejects.toThrow(/taken could not be written/)
    await expect(writeAtomically(join(folder, 'nowhere', 'file'), 'x')).rejects.toThrow(/the folder does not exist/)
    expect((await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('what killed processes were writing is removed, nothing else', async () => {
    for (const name of ['a.12.tmp', 'a', 'b.tmp', '12.tmp.txt']) await writeFile(join(folder, name), '')
    await removeUnfinished(folder)
    expect((await readdir(folder)).sort()).toEqual(['12.tmp.txt', 'a', 'b.tmp', 'checkpoints'])
    await removeUnfinished(join(folder, 'nowhere'))
  })
})
