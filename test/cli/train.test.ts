import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BuiltCli, buildCli } from '../support/cli.ts'

let cli: BuiltCli
beforeAll(async () => {
  cli = await buildCli()
})
afterAll(() => cli.remove())

const path = (...parts: string[]) => join(cli.folder, ...parts)
const small = ['--set', 'config.p=11', '--set', 'config.d_model=16', '--set', 'config.d_mlp=16', '--threads', '1']

async function train(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cli.run(['train', ...args, '--json'])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('diopter train', { timeout: 120_000 }, () => {
  it('trains a task into .runs/<task>-<seed>, and the model opens', async () => {
    const result = await train('modular-addition', ...small, '--seed', '3', '--steps', '30')
    expect(result).toMatchObject({
      folder: '.runs/modular-addition-3',
      task: 'modular-addition',
      seed: 3,
      step: 30,
      complete: true,
      threads: 1,
      modelFolder: '.runs/modular-addition-3/model',
      last: { loss: expect.any(Number), 'test/accuracy': expect.any(Number) },
    })
    const record = JSON.parse(await readFile(path('.runs/modular-addition-3/training.json'), 'utf8'))
    expect(record).toMatchObject({
      command: `diopter train modular-addition ${small.join(' ')} --seed 3 --steps 30 --json`,
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      config: { config: { p: 11, trainFraction: 0.3 }, seed: 3, steps: 30 },
    })
    const { code, stdout } = await cli.run(['info', '.runs/modular-addition-3/model'])
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('hook_resid_post') })
  })

  it('stops with --until, says how to go on, and ends as if it had not stopped', async () => {
    const first = await cli.run([
      'train',
      'modular-addition',
      ...small,
      '--steps',
      '24',
      '--until',
      '10',
      '--out',
      'a b',
    ])
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('10 of 24 steps') })
    expect(first.stderr).toBe("Stopped after step 10; diopter train --out 'a b' --resume goes on.\n")
    expect(await train('--out', 'a b', '--resume')).toMatchObject({ complete: true, step: 24 })
    await train('modular-addition', ...small, '--steps', '24', '--out', 'whole')
    for (const file of ['log.jsonl', 'model/model.safetensors'])
      expect(await readFile(path('a b', file))).toEqual(await readFile(path('whole', file)))
  })

  it('Ctrl-C saves, exits with 130, and says how to go on', async () => {
    const args = ['train', 'modular-addition', ...small, '--steps', '100000', '--out', 'long', '--progress']
    const { code, stderr } = await cli.runInterrupted(args, /training: /)
    expect(code).toBe(130)
    expect(stderr).toMatch(/training: \d+ of 100,000 steps \(0%\), .* left, loss \d\S*, \d+ tokens\/s\n/)
    const [, step] = stderr.match(/Stopped after step (\d+); diopter train --out long --resume goes on/)!
    expect(Number(step)).toBeGreaterThan(0)
    expect(await readdir(path('long', 'checkpoints'))).toEqual([`step-${step!.padStart(10, '0')}.safetensors`])
    expect(await train('--out', 'long', '--resume', '--until', String(Number(step) + 5))).toMatchObject({
      step: Number(step) + 5,
      complete: false,
    })
  })

  it('takes a config from a file, and repeats a run from its record', async () => {
    const config = { task: 'modular-addition', config: { p: 11, d_model: 16, d_mlp: 16 }, steps: 8, schedule: {} }
    await writeFile(path('config.json'), JSON.stringify(config))
    const first = await train('config.json', '--out', 'from-file', '--threads', '1', '--seed', '2')
    expect(first).toMatchObject({ seed: 2, step: 8, threads: 1 })
    const again = await train('from-file/training.json', '--out', 'repeated')
    expect(again).toMatchObject({ seed: 2, step: 8, threads: 1 })
    for (const file of ['log.jsonl', 'model/model.safetensors'])
      expect(await readFile(path('from-file', file))).toEqual(await readFile(path('repeated', file)))
  })

  it.each([
    ['nothing to train', [], 2, /Say what to train: .* The tasks:\n.*modular-addition: /s],
    ['no such task', ['addtion'], 1, /There is no task 'addtion'\. Near: addition/],
    ['no such file', ['nowhere.json'], 2, /Cannot read nowhere\.json: there is no such file/],
    ['a setting without a value', ['addition', '--set', 'steps'], 2, /--set takes path=value.* it got "steps"/],
    ['a setting inside a number', ['addition', '--set', 'steps.x=1'], 2, /steps is \d+, which has no x/],
    ['a setting that does not exist', ['addition', '--set', 'config.digit=3'], 1, /field digit does not fit/],
    [
      'a setting of the wrong type',
      ['addition', '--set', 'optimiser.learningRate=fast'],
      1,
      /learningRate does not fit/,
    ],
    ['nothing to resume', ['addition', '--resume', '--out', 'empty'], 1, /empty holds no run to resume/],
  ])('%s is one sentence', async (_, args, code, message) => {
    const outcome = await cli.run(['train', ...args])
    expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code, stdout: '' })
    expect(outcome.stderr).toMatch(message)
    expect(outcome.stderr).not.toContain('    at ')
  })

  it('a folder that holds a run is left alone without --resume; another config is refused with it', async () => {
    await mkdir(path('.runs'), { recursive: true })
    await train('modular-addition', ...small, '--steps', '4', '--out', 'taken')
    const refused = await cli.run(['train', 'modular-addition', ...small, '--steps', '4', '--out', 'taken'])
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/taken already holds a run .* \(--resume\)/),
    })
    const other = await cli.run(['train', '--out', 'taken', '--resume', '--seed', '5'])
    expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/has another seed \(was 0, now 5\)/) })
    const threads = await cli.run(['train', '--out', 'taken', '--resume', '--threads', '2'])
    expect(threads).toMatchObject({ code: 1, stderr: expect.stringMatching(/began with 1 threads, not 2/) })
  })

  it('a broken newest checkpoint is warned about, and a log that cannot be written is an error', async () => {
    await train('modular-addition', ...small, '--steps', '9', '--until', '3', '--out', 'hurt')
    await train('--out', 'hurt', '--resume', '--until', '6')
    const newest = path('hurt', 'checkpoints', 'step-0000000006.safetensors')
    await writeFile(newest, 'broken')
    const warned = await cli.run(['train', '--out', 'hurt', '--resume', '--until', '7'])
    expect(warned).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/0006\.safetensors: .*0003\.safetensors, is used/),
    })
    await rm(path('hurt', 'log.jsonl'))
    await mkdir(path('hurt', 'log.jsonl'))
    const failed = await cli.run(['train', '--out', 'hurt', '--resume'])
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/log\.jsonl could not be written/) })
  })
})
