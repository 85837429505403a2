import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { curveOf } from '../../train/index.ts'
import type { Experiment } from '../experiment.ts'
import { experimentPlaces, readWrittenResults, runFolder } from './places.ts'
import { measureExperiment, readPlan, trainRuns, unfinishedRuns } from './run-experiment.ts'

const spec = {
  title: 'Planted',
  claim: 'The loss falls.',
  source: ['none'],
  expected: ['it falls'],
  seeds: [0, 1],
  arms: {
    main: {
      role: 'claim',
      description: 'Trains.',
      training: {
        task: 'noisy-teacher',
        config: { inputs: 2, trainExamples: 10, validationExamples: 5, testExamples: 5, widths: [3] },
        steps: 40,
        stepsPerRun: 1,
        snapshots: { every: 20 },
        logEvery: 1,
      },
    },
    plain: { role: 'control', description: 'Trains nothing.', seeds: [0], parameters: { drop: -1 } },
  },
  quick: { seeds: [0] },
  bars: [
    { id: 'falls', statement: 'The loss falls.', arm: 'main', measure: 'drop', above: 0 },
    { id: 'control', statement: 'The control rises.', arm: 'plain', measure: 'drop', below: 0 },
    { id: 'planted miss', statement: 'What cannot be.', arm: 'main', measure: 'drop', above: 100, quick: null },
  ],
}

const planted: Experiment = {
  name: 'planted',
  async measure({ run, parameters, seed }) {
    if (!run) return { scalars: { drop: parameters.drop as number }, curves: {}, tables: {} }
    const { values } = curveOf(run.log, 'loss')
    const [first] = [...(await run.snapshot(20)).values()]
    expect(first).toHaveLength([...run.parameters.values()][0]!.length)
    expect(run.config.seed).toBe(seed)
    return { scalars: { drop: values[0]! - values.at(-1)! }, curves: {}, tables: {} }
  },
  figures: (results) => ({ picture: `<svg>${results.length}</svg>` }),
}

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'diopter-experiment-'))
  await mkdir(join(root, 'experiments/planted'), { recursive: true })
  await write(spec)
  await writeFile(join(root, 'experiments/planted/README.md'), '<!-- results -->\n<!-- /results -->\n')
})
afterEach(() => rm(root, { recursive: true }))

const write = (content: unknown) =>
  writeFile(join(root, 'experiments/planted/experiment.json'), JSON.stringify(content))
const places = (quick = false) => experimentPlaces(root, root, 'planted', quick)
const options = { threads: 1 }

it('trains, measures, and writes results, figures and the table; a planted miss is missed', async () => {
  const plan = readPlan(places(), false)
  const states: string[] = []
  await trainRuns(places(), plan.runs, {
    ...options,
    onRun: ({ arm, seed }, { state }) => states.push(`${arm}-${seed} ${state}`),
  })
  expect(states).toEqual(['main-0 finished', 'main-1 finished'])
  const { results, notes } = await measureExperiment(planted, places(), plan, { quick: false, ...options })
  expect(results.bars.map(({ met }) => met)).toEqual([true, true, false])
  expect(notes).toEqual([])
  expect(readWrittenResults(places())).toEqual(results)
  const folder = join(root, 'experiments/planted')
  expect(await readFile(join(folder, 'figures/picture.svg'), 'utf8')).toBe('<svg>3</svg>')
  expect(await readFile(join(folder, 'README.md'), 'utf8')).toContain('2 of 3 bars are met')
})

it('the short version keeps its results apart', async () => {
  const plan = readPlan(places(true), true)
  await trainRuns(places(true), plan.runs, options)
  const { results } = await measureExperiment(planted, places(true), plan, { quick: true, ...options })
  expect(results.bars.map(({ id, met }) => [id, met])).toEqual([
    ['falls', true],
    ['control', true],
  ])
  expect((await readdir(join(root, 'experiments/planted'))).sort()).toEqual(['README.md', 'experiment.json'])
  expect(readWrittenResults(places())).toBeUndefined()
})

it('goes on after an abort to the same numbers, and leaves finished runs alone', async () => {
  const plan = readPlan(places(), false)
  const [first] = plan.runs
  const controller = new AbortController()
  const states: unknown[] = []
  await trainRuns(places(), plan.runs, {
    ...options,
    signal: controller.signal,
    onProgress: ({ phase, done }) => {
      expect(phase).toBe('main-0 (run 1 of 2)')
      if (done >= 15) controller.abort()
    },
    onRun: (_, outcome) => states.push(outcome),
  })
  expect(states).toEqual([{ state: 'stopped', step: 15 }])
  expect((await unfinishedRuns(places(), plan)).map(({ seed }) => seed)).toEqual([0, 1])
  await expect(measureExperiment(planted, places(), plan, { quick: false })).rejects.toThrow('Missing: main-0, main-1')

  await trainRuns(places(), [first!], options)
  const resumed = await readFile(join(runFolder(places(), 'main', 0), 'log.jsonl'), 'utf8')
  const newest = join(runFolder(places(), 'main', 0), 'checkpoints/step-0000000040.safetensors')
  const { mtimeMs } = await stat(newest)
  await trainRuns(places(), [first!], options)
  expect((await stat(newest)).mtimeMs).toBe(mtimeMs)

  const straight = experimentPlaces(root, root, 'planted', true)
  await trainRuns(straight, [first!], options)
  expect(await readFile(join(runFolder(straight, 'main', 0), 'log.jsonl'), 'utf8')).toBe(resumed)
})

it('keeps what is measured when it is stopped, and goes on from there', async () => {
  const plan = readPlan(places(), false)
  await trainRuns(places(), plan.runs, options)
  const controller = new AbortController()
  const asked: string[] = []
  const counting: Experiment = {
    ...planted,
    async measure(context) {
      asked.push(`${context.arm}-${context.seed}`)
      if (asked.length === 2) controller.abort()
      const { scalars, ...rest } = await planted.measure(context)
      return { ...rest, scalars: { ...scalars, none: Number.NaN }, findings: [{ what: 'seed', value: context.seed }] }
    },
  }
  const { signal } = controller
  await expect(measureExperiment(counting, places(), plan, { quick: false, ...options, signal })).rejects.toThrow()
  expect(asked).toEqual(['main-0', 'main-1'])
  expect(readWrittenResults(places())).toBeUndefined()

  const said: string[] = []
  const warn = (sentence: string) => said.push(sentence)
  const { results } = await measureExperiment(counting, places(), plan, { quick: false, ...options, warn })
  expect(asked).toEqual(['main-0', 'main-1', 'plain-0'])
  expect(said).toEqual([
    expect.stringMatching(/^Measured before.*: main-0, main-1\. To measure anew, delete .*measures\.$/),
  ])
  expect(results.runs.map(({ scalars }) => scalars.none)).toEqual([Number.NaN, Number.NaN, Number.NaN])
  expect(readWrittenResults(places())).toEqual(results)
  const readme = await readFile(join(root, 'experiments/planted/README.md'), 'utf8')
  expect(readme).toContain('Arm **main**, seed 1, found:\n\n| what | value |\n| --- | --- |\n| seed | 1 |')

  // once the results are written, everything is measured anew
  await measureExperiment(counting, places(), plan, { quick: false, ...options })
  expect(asked).toHaveLength(6)
})

it('measures of other parameters are not taken for these', async () => {
  const plan = readPlan(places(), false)
  await trainRuns(places(), plan.runs, options)
  const failing: Experiment = {
    ...planted,
    async measure(context) {
      if (context.arm === 'plain') throw new Error('planted failure')
      return planted.measure(context)
    },
  }
  await expect(measureExperiment(failing, places(), plan, { quick: false, ...options })).rejects.toThrow(
    'planted failure',
  )
  const changed = plan.runs.map((run) => ({ ...run, parameters: { ...run.parameters, other: 1 } }))
  const asked: string[] = []
  const counting: Experiment = {
    ...planted,
    async measure(context) {
      asked.push(context.arm)
      return planted.measure(context)
    },
  }
  await measureExperiment(counting, places(), { ...plan, runs: changed }, { quick: false, ...options })
  expect(asked).toEqual(['main', 'main', 'plain'])
})

it('passes over a run that another process trains, and takes over the lock of one that has ended', async () => {
  const plan = readPlan(places(), false)
  const folder = runFolder(places(), 'main', 0)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'lock'), String(process.ppid))
  const states: unknown[] = []
  const onRun = (_: unknown, outcome: unknown) => states.push(outcome)
  await trainRuns(places(), plan.runs, { ...options, onRun })
  expect(states).toEqual([
    { state: 'busy', process: process.ppid },
    { state: 'finished', step: 40 },
  ])
  await writeFile(join(folder, 'lock'), String(2 ** 22 + 1))
  await trainRuns(places(), plan.runs.slice(0, 1), { ...options, onRun })
  expect(states.at(-1)).toEqual({ state: 'finished', step: 40 })
  expect(await readdir(folder)).not.toContain('lock')
})

it('a changed config is an error that says what to do', async () => {
  await trainRuns(places(), readPlan(places(), false).runs.slice(0, 1), options)
  const { main } = spec.arms
  await write({ ...spec, arms: { ...spec.arms, main: { ...main, training: { ...main.training, steps: 50 } } } })
  const changed = trainRuns(places(), readPlan(places(), false).runs.slice(0, 1), options)
  await expect(changed).rejects.toThrow(/main-0 holds a run with another steps \(was 40, now 50\)\. Delete that folder/)
})

it('an installed package writes under the working folder', async () => {
  const installed = experimentPlaces('/a/node_modules/diopter', '/home/me', 'planted', false)
  expect(installed.spec).toBe('/a/node_modules/diopter/experiments/planted/experiment.json')
  expect(installed.results).toBe('/home/me/experiments/planted')
  expect(installed.runs).toBe('/home/me/.runs/experiments/planted')
  await rm(join(root, 'experiments/planted/experiment.json'))
  expect(() => readPlan(places(), false)).toThrow("There is no experiment 'planted'")
  await writeFile(join(root, 'experiments/planted/experiment.json'), '{')
  expect(() => readPlan(places(), false)).toThrow('experiment.json is not JSON')
})
