import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type BuiltCli, buildCli } from '../support/cli.ts'

const nodeModules = fileURLToPath(new URL('../../node_modules', import.meta.url))
const random = { inputs: 4, validationExamples: 50, testExamples: 50, labelNoise: 0.2, penalties: [1e-11] }
const network = { inputs: 4, trainExamples: 20, validationExamples: 20, testExamples: 50, widths: [1, 4, 16] }

/** A short double descent with a bar that is met, and one that no run can meet. */
const spec = {
  title: 'Planted',
  claim: 'A peak.',
  source: ['none'],
  expected: ['none'],
  seeds: [0, 1],
  arms: {
    features: {
      role: 'claim',
      description: 'Exact.',
      parameters: {
        ...random,
        modelWise: { examples: 20, widths: [4, 20, 80] },
        sampleWise: { width: 20, examples: [4, 20, 80] },
      },
    },
    network: {
      role: 'control',
      description: 'Trained.',
      training: { task: 'noisy-teacher', config: network, steps: 100_000, stepsPerRun: 10, logEvery: 10 },
    },
  },
  quick: { seeds: [0], arms: { network: { training: { steps: 30 } } } },
  bars: [
    { id: 'peak', statement: 'It peaks.', arm: 'features', measure: 'modelPeakRatio', atLeast: 1.3 },
    { id: 'impossible', statement: 'It is negative.', arm: 'network', measure: 'widestLoss', below: -1 },
  ],
}

let built: BuiltCli
/** A package of its own: the built program beside its experiments. */
let home: string
beforeAll(async () => {
  built = await buildCli()
  home = await realpath(await mkdtemp(join(tmpdir(), 'diopter-package-')))
  await cp(dirname(built.entry), join(home, 'dist'), { recursive: true })
  await symlink(nodeModules, join(home, 'node_modules'))
  await writeFile(join(home, 'package.json'), '{ "version": "0.0.0" }')
  await mkdir(join(home, 'experiments/double-descent'), { recursive: true })
  await writeFile(join(home, 'experiments/double-descent/experiment.json'), JSON.stringify(spec))
})
afterAll(async () => {
  await built.remove()
  await rm(home, { recursive: true })
})

const program = (args: readonly string[]) => [join(home, 'dist/main.mjs'), 'experiment', ...args]

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    execFile(process.execPath, program(args), { cwd: home }, (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}

it('lists what there is, and shows claim, arms and bars', async () => {
  const { code, stdout } = await built.run(['experiment', 'list'])
  expect(code).toBe(0)
  for (const name of ['double-descent', 'grokking']) expect(stdout).toContain(name)
  const shown = await run('show', 'double-descent')
  expect(shown.code).toBe(0)
  for (const part of [
    'A peak.',
    'network (control, seeds 0, 1): Trained.',
    'impossible: It is negative.',
    'Not run yet',
  ])
    expect(shown.stdout).toContain(part)
})

it.each([
  ['no name', ['run'], 2, 'Which experiment?'],
  ['a name that is none', ['show', 'double-decent'], 1, "There is no experiment 'double-decent'"],
  ['an arm that is none', ['run', 'double-descent', '--arm', 'net'], 2, 'Arms and seeds: features 0, features 1'],
  ['an arm to measure alone', ['run', 'double-descent', '--measure-only', '--seed', '0'], 2, 'leave out --arm'],
  ['measuring what is not trained', ['run', 'double-descent', '--measure-only'], 1, 'Missing: network-0, network-1'],
])('%s is an error that says so', async (_, args, expected, message) => {
  const { code, stdout, stderr } = await run(...args)
  expect({ code, stdout }).toEqual({ code: expected, stdout: '' })
  expect(stderr).toContain(message)
})

it('--quick runs everything; a missed bar is exit code 1', async () => {
  const { code, stdout, stderr } = await run('run', 'double-descent', '--quick')
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'network-0: finished at step 30.\n1 of 1 trainings are finished.\n',
  })
  expect(stdout).toContain('1 of 2 bars are met.')
  expect(stdout).toContain('MISSED impossible: It is negative.')
  const results = join(home, '.runs/experiments/double-descent-quick/results')
  expect(JSON.parse(await readFile(join(results, 'results.json'), 'utf8'))).toMatchObject({
    quick: true,
    bars: [
      { id: 'peak', met: true },
      { id: 'impossible', met: false },
    ],
  })
  expect(await readdir(join(results, 'figures'))).toContain('networks.svg')
  expect(await readdir(join(home, 'experiments/double-descent'))).toEqual(['experiment.json'])
})

it('Ctrl-C keeps what is done, and the same command goes on', async () => {
  const interrupted = () =>
    new Promise<{ code: number | null; stderr: string }>((done) => {
      const args = program(['run', 'double-descent', '--arm', 'network', '--seed', '1', '--progress'])
      const child = spawn(process.execPath, args, { cwd: home })
      let stderr = ''
      child.stderr.on('data', (data: Buffer) => {
        if (!stderr.includes(' steps ')) setTimeout(() => child.kill('SIGINT'), 300)
        stderr += data.toString()
      })
      child.on('close', (code) => done({ code, stderr }))
    })
  const stoppedAt = (stderr: string) =>
    Number(stderr.match(/network-1: stopped at step ([\d,]+)/)![1]!.replaceAll(',', ''))
  const first = await interrupted()
  expect(first.code).toBe(130)
  expect(first.stderr).toContain('0 of 2 trainings are finished; the same command goes on.')
  const second = await interrupted()
  expect(stoppedAt(second.stderr)).toBeGreaterThan(stoppedAt(first.stderr))
})
