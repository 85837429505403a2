import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { figures, joinSafetensors, ship, splitSafetensors, thinLog, toFloat16 } from '../../scripts/ship-checkpoint.mjs'
import { readSafetensors } from '../../src/hub/safetensors-read.ts'
import { loadModel } from '../../src/lab/node/load-model.ts'
import { fromHalfBits } from '../../src/tensor/index.ts'
import { trainInFolder } from '../../src/train/node/train-in-folder.ts'
import { tinyConfig, tinyProblem } from '../../src/train/tiny-problem.fixture.ts'
import { type BuiltCli, buildCli } from '../support/cli.ts'

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'diopter-ship-'))
})
afterAll(() => rm(base, { recursive: true }))

describe('float16', () => {
  it('is the nearest one, ties to even, down to the smallest and up to the largest', () => {
    const bits = (...values: number[]) => {
      const half = toFloat16(Buffer.from(Float32Array.from(values).buffer))
      return [...new Uint16Array(half.buffer, half.byteOffset, values.length)]
    }
    // every float16 that is a number is itself
    const all = Array.from({ length: 0x7c00 }, (_, i) => i)
    expect(bits(...all.map(fromHalfBits))).toEqual(all)
    expect(bits(-1, -0, 2 ** -26, 2 ** -25 * 1.01)).toEqual([0xbc00, 0x8000, 0, 1])
    // half-way between neighbours: to the even one; 2047.5 carries into the exponent
    expect(bits(1 + 2 ** -11, 1 + 3 * 2 ** -11, 2047.5).map(fromHalfBits)).toEqual([1, 1 + 2 ** -9, 2048])
    expect(() => bits(65520)).toThrow('65520 does not fit float16')
    expect(() => bits(Number.NaN)).toThrow('does not fit float16')
  })
})

describe('a thinned log', () => {
  const line = (entry: object) => `${JSON.stringify(entry)}\n`
  const log = Array.from({ length: 5000 }, (_, i) => {
    const step = i + 1
    return line({ step, loss: 1 / step }) + (step % 100 === 0 ? line({ step, 'test/loss': 2 / step }) : '')
  }).join('')

  it('stays as it is when it is short', () => {
    expect(thinLog(log, 1e9)).toBe(log)
  })

  it('keeps whole lines, the ends of every kind, and all parts of the logarithm', () => {
    const thinned = thinLog(log, 10_000)
    expect(thinned.length).toBeLessThanOrEqual(10_000)
    expect(thinned.length).toBeGreaterThan(4000)
    const lines = thinned.trimEnd().split('\n')
    const original = new Set(log.split('\n'))
    expect(lines.every((one) => original.has(one))).toBe(true)
    const entries = lines.map((one) => JSON.parse(one) as Record<string, number>)
    for (const kind of ['loss', 'test/loss']) {
      const steps = entries.filter((entry) => kind in entry).map(({ step }) => step!)
      expect([steps[0], steps.at(-1)]).toEqual([kind === 'loss' ? 1 : 100, 5000])
    }
    const inDecade = (from: number) => entries.filter(({ step }) => step! >= from && step! < 10 * from).length
    expect([1, 10, 100, 1000].map(inDecade).every((count) => count >= 5)).toBe(true)
  })
})

describe('figures', () => {
  it('are the last values of the log, or numbers that are given', () => {
    const log = '{"step":1,"a":1,"b":2}\n{"step":2,"a":0.5}\n'
    expect(figures(['a', 'b', 'score=0.93'], log)).toEqual({ a: 0.5, b: 2, score: 0.93 })
    expect(() => figures(['c'], log)).toThrow('The figure c is no number; the log ends with: step, a, b.')
    expect(() => figures(['d=much'], log)).toThrow('The figure d is no number')
  })
})

describe('shipping a run', { timeout: 120_000 }, () => {
  const small = {
    task: 'modular-addition',
    config: { p: 7, d_model: 8, n_heads: 2, d_mlp: 8 },
    seed: 4,
    steps: 6,
    evaluate: { every: 3 },
    snapshots: {},
  }
  const about = { title: 'A test', goodFor: 'Nothing.' }

  it('packs a model that opens, in float32 and in float16, with record, log and card', async () => {
    const run = join(base, 'model-run')
    await trainInFolder(run, small, { threads: 1, until: 3 })
    expect(() => ship(run, 'early', { ...about, to: base })).toThrow(/is at step 3 of 6: finish it before it ships/)
    const { modelFolder } = await trainInFolder(run, small, { resume: 'yes' })
    const card = ship(run, 'full', { ...about, figure: ['test/loss'], to: base })
    expect(card).toMatchObject({ id: 'full', seed: 4, trainedBy: 'diopter train checkpoints/full/training.json' })
    expect(Object.keys(card.heldOut)).toEqual(['test/loss'])
    ship(run, 'half', { ...about, float16: true, to: base })
    expect((await readdir(join(base, 'half'))).sort()).toEqual([
      'card.json',
      'config.json',
      'log.jsonl',
      'model.safetensors',
      'training.json',
    ])
    const bytes = async (folder: string) => (await stat(join(folder, 'model.safetensors'))).size
    expect(await bytes(join(base, 'half'))).toBeLessThan(0.75 * (await bytes(modelFolder!)))
    const logits = []
    for (const folder of [modelFolder!, join(base, 'full'), join(base, 'half')]) {
      const model = await loadModel(folder, { threads: 1 })
      expect(model.memory.parameters).toBe(card.parameters)
      logits.push([...(await model.run([[1, 2, 7]])).logits!.data].map(Number))
      await model.dispose()
    }
    expect(logits[1]).toEqual(logits[0])
    for (const [i, value] of logits[2]!.entries()) expect(value).toBeCloseTo(logits[0]![i]!, 2)
  })

  it('packs the parameters of what is no model', async () => {
    const run = join(base, 'other-run')
    const { state } = await trainInFolder(run, tinyConfig({ steps: 4 }), { problem: tinyProblem(1), threads: 1 })
    expect(ship(run, 'other', { ...about, to: base })).toMatchObject({ parameters: 15 })
    const path = join(base, 'other', 'parameters.safetensors')
    const { tensors } = readSafetensors(await readFile(path), path)
    expect(new Map([...tensors].map(([name, { data }]) => [name, data]))).toEqual(state.parameters)
  })

  it('reads back the files that it joins', () => {
    const bytes = Buffer.from(Float32Array.of(1, 2, 3).buffer)
    const joined = joinSafetensors([['a', 'F32', [3], bytes]], { format: 'pt' })
    expect(splitSafetensors(joined)).toEqual({
      metadata: { format: 'pt' },
      tensors: { a: { dtype: 'F32', shape: [3], data_offsets: [0, 12] } },
      data: bytes,
    })
    expect(readSafetensors(joined, 'joined').tensors.get('a')).toMatchObject({ shape: [3] })
  })
})

describe('what ships', () => {
  let cli: BuiltCli
  beforeAll(async () => {
    cli = await buildCli()
  })
  afterAll(() => cli.remove())
  const folder = fileURLToPath(new URL('../../checkpoints', import.meta.url))

  it('has a card each, fits its size, and is listed by diopter models', async () => {
    const { stdout, stderr } = await cli.run(['models', '--json'])
    expect(stderr).toBe('')
    const { bundled, default: byDefault } = JSON.parse(stdout) as {
      default: string | null
      bundled: { name: string; bytes: number; supported: boolean; card: { id: string; trainedBy: string } | null }[]
    }
    for (const { name, bytes, supported, card } of bundled) {
      const files = await readdir(join(folder, name))
      expect(card, name).toMatchObject({ id: name, trainedBy: expect.stringMatching(/^diopter /) })
      expect(supported, name).toBe(files.includes('config.json'))
      expect(files, name).toEqual(expect.arrayContaining(['card.json', 'log.jsonl', 'training.json']))
      if (name === 'text') expect(bytes).toBeLessThanOrEqual(12e6)
    }
    expect(bundled.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(30e6)
    expect(byDefault).toBe(bundled.some(({ name, supported }) => name === 'text' && supported) ? 'text' : null)
  })

  it('is shown with what it is good for; a damaged card is an error', async () => {
    // a package of its own, whose checkpoints are these
    const home = join(base, 'package')
    await cp(dirname(cli.entry), join(home, 'dist'), { recursive: true })
    await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(home, 'node_modules'))
    await writeFile(join(home, 'package.json'), '{"version": "0.0.1"}')
    await trainInFolder(join(base, 'run'), { ...tinyTask, steps: 2 }, { threads: 1 })
    ship(join(base, 'run'), 'little', {
      title: 'A little adder',
      goodFor: 'Shows how cards are shown.',
      figure: ['test/accuracy'],
      to: join(home, 'checkpoints'),
    })
    const models = () =>
      new Promise<{ stdout: string; stderr: string }>((done) => {
        const env = { PATH: process.env.PATH, COLUMNS: '60', HF_HUB_CACHE: join(base, 'hub') }
        const args = [join(home, 'dist', basename(cli.entry)), 'models']
        execFile(process.execPath, args, { env }, (_, stdout, stderr) => done({ stdout, stderr }))
      })
    expect((await models()).stdout).toMatch(
      /^Shipped with Diopter:\nlittle \(\S+ parameters, .*\)\n {2}A little adder\. Shows how cards are shown\.\n {2}held out: test\/accuracy 0\S*\n/,
    )
    await writeFile(join(home, 'checkpoints', 'little', 'card.json'), '{"id": "other"}')
    expect((await models()).stderr).toMatch(/little\/card\.json is no card of little: /)
  })
})

const tinyTask = { task: 'modular-addition', config: { p: 7, d_model: 8, n_heads: 2, d_mlp: 8 }, snapshots: {} }
