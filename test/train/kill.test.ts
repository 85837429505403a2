import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSafetensors } from '../../src/hub/safetensors-read.ts'
import { randomSource } from '../../src/random/index.ts'
import { type BuiltEntries, buildEntries } from '../support/build-entries.ts'

let built: BuiltEntries
let base: string
beforeAll(async () => {
  built = await buildEntries({ child: 'test/support/training-child.ts' })
  base = await mkdtemp(join(tmpdir(), 'diopter-kill-'))
})
afterAll(async () => {
  await built.remove()
  await rm(base, { recursive: true })
})

/** Runs the child to its end, or until `kill` says so; gives the signal that ended it and the last step that it told. */
function runChild(args: readonly string[], kill?: (step: number) => boolean) {
  const child = spawn(process.execPath, [built.entry('child'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let step = 0
  child.stdout.on('data', (data: Buffer) => {
    step = Number(data.toString().trimEnd().split('\n').at(-1))
    if (kill?.(step)) child.kill('SIGKILL')
  })
  return new Promise<{ signal: string | null; code: number | null; step: number }>((done) => {
    child.on('close', (code, signal) => done({ code, signal, step }))
  })
}

const names = async (folder: string, part: string) => (await readdir(join(folder, part))).sort()

/** All that a run leaves behind, but for the seconds that it took and the checkpoint before the last. */
async function remains(folder: string) {
  const last = (await names(folder, 'checkpoints')).at(-1)!
  const { tensors, metadata } = readSafetensors(await readFile(join(folder, 'checkpoints', last)), last)
  const { seconds, ...rest } = metadata
  expect(Number(seconds)).toBeGreaterThan(0)
  const snapshots = await names(folder, 'snapshots')
  const bytes = await Promise.all(snapshots.map((name) => readFile(join(folder, 'snapshots', name))))
  return {
    files: (await readdir(folder)).sort(),
    last,
    tensors,
    metadata: rest,
    log: await readFile(join(folder, 'log.jsonl'), 'utf8'),
    record: await readFile(join(folder, 'training.json'), 'utf8'),
    snapshots: snapshots.map((name, i) => [name, bytes[i]!.toString('base64')]),
  }
}

describe('kill -9', { timeout: 240_000 }, () => {
  let whole: Awaited<ReturnType<typeof remains>>
  beforeAll(async () => {
    const folder = join(base, 'whole')
    expect(await runChild([folder, 'nothing'])).toMatchObject({ code: 0, step: 900 })
    whole = await remains(folder)
    expect(whole.last).toBe('step-0000000900.safetensors')
  }, 120_000)

  it('at random moments, and resumed: the same bytes as without', async () => {
    const folder = join(base, 'random')
    const random = randomSource(Date.now(), 'kill') // other moments in every run of the test
    const stops: number[] = []
    for (const from of [0, 200, 400, 600]) {
      const at = from + random.integer(200)
      const { signal, step } = await runChild([folder, 'nothing'], (now) => now >= at)
      expect(signal).toBe('SIGKILL')
      stops.push(step)
    }
    expect(Math.min(...stops)).toBeLessThan(900)
    expect(await runChild([folder, 'nothing'])).toMatchObject({ code: 0, step: 900 })
    expect(await remains(folder), `killed after ${stops}`).toEqual(whole)
  })

  it('while a file is written, and resumed: the same bytes as without', async () => {
    const folder = join(base, 'writing')
    // of the record (1, 2), of first snapshots, logs, checkpoints before and after their rename, and somewhere later
    const unfinished: string[] = []
    for (const flush of [1, 2, 3, 8, 12, 13, 14, 15]) {
      const { signal } = await runChild([folder, 'sync', String(flush)])
      expect(signal).toBe('SIGKILL')
      for (const part of await readdir(folder, { recursive: true })) if (part.endsWith('.tmp')) unfinished.push(part)
    }
    // it did happen inside a write
    expect(unfinished.some((name) => name.startsWith('checkpoints/'))).toBe(true)
    expect(unfinished.some((name) => name.startsWith('snapshots/'))).toBe(true)
    expect(await runChild([folder, 'nothing'])).toMatchObject({ code: 0, step: 900 })
    expect(await remains(folder)).toEqual(whole)
    expect((await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})
