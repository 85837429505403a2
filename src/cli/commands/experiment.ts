import { relative } from 'node:path'
import { Argument, Option } from 'commander'
import type { ExperimentPlaces } from '../../experiments/node/places.ts'
import type { ExperimentPlan, PlannedRun } from '../../experiments/plan.ts'
import type { ExperimentResults } from '../../experiments/report.ts'
import { packageFolder } from '../../hub/node/bundled.ts'
import { wrap } from '../../views/labels.ts'
import { alignColumns } from '../columns.ts'
import { defineCommand, type Session } from '../command.ts'
import { EXIT, UsageError } from '../errors.ts'
import { threadsOption, wholeNumber } from '../flags.ts'
import { bold } from '../terminal.ts'
import { formatCount } from '../units.ts'

interface Flags {
  readonly quick?: boolean
  readonly arm?: string
  readonly seed?: number
  readonly threads?: number
  readonly measureOnly?: boolean
}

export const experiment = defineCommand<Flags>({
  name: 'experiment',
  summary: 'Reproductions of published results: train, measure, hold the bars',
  arguments: [
    new Argument('<action>', 'what to do').choices(['list', 'run', 'show']),
    new Argument('[name]', 'the experiment'),
  ],
  options: [
    new Option('--quick', 'the short version: minutes instead of hours'),
    new Option('--arm <arm>', 'train only this arm, and measure nothing yet'),
    new Option('--seed <n>', 'train only this seed, and measure nothing yet').argParser(wholeNumber(0)),
    threadsOption,
    new Option('--measure-only', 'train nothing; measure the runs that are there'),
  ],
  details:
    "Claim, arms, seeds and bars are in experiments/NAME/experiment.json, fixed before the first full run. Every arm and seed trains in a folder of its own under .runs/experiments; Ctrl-C keeps what is done, the same command goes on, and finished runs are not repeated. Several processes may train different arms and seeds at the same time. Results, figures and the README's table go to experiments/NAME (of the current folder, where Diopter is installed as a package); those of --quick stay with its runs. Exit code 1: a bar is missed.",
  examples: ['experiment list', 'experiment show double-descent', 'experiment run double-descent --quick'],
  async run([action, name], flags, session) {
    if (action === 'list') return list(session)
    if (name === undefined) throw new UsageError(`Which experiment? diopter experiment list names them.`)
    return action === 'show' ? show(name, flags, session) : run(name, flags, session)
  },
})

async function open(name: string, quick: boolean) {
  const { experimentPlaces, readExperiment } = await import('../../experiments/node/places.ts')
  const places = experimentPlaces(packageFolder(), process.cwd(), name, quick)
  return { places, spec: readExperiment(places) }
}

async function list(session: Session): Promise<number> {
  const { experiments } = await import('../../experiments/index.ts')
  const { verdict } = await import('../../experiments/report.ts')
  const rows: string[][] = []
  for (const { name } of experiments) {
    const { places, spec } = await open(name, false)
    const results = await latestResults(places)
    rows.push([name, spec.title, results ? verdict(results.bars) : 'not run yet'])
  }
  session.print(`${alignColumns([['experiment', 'title', 'full version'], ...rows], session.text).join('\n')}\n`)
  return EXIT.ok
}

async function show(name: string, { quick = false }: Flags, session: Session): Promise<number> {
  const { places, spec } = await open(name, quick)
  const { planExperiment } = await import('../../experiments/plan.ts')
  const { runs } = planExperiment(spec, quick, places.spec)
  const results = await latestResults(places)
  const paragraph = (text: string) => wrap(text, session.text.width)
  const bullets = (lines: readonly string[]) => lines.flatMap((line) => paragraph(`- ${line}`))
  const arms = Object.entries(spec.arms).map(([arm, { role, description }]) => {
    const seeds = runs.filter((one) => one.arm === arm).map(({ seed }) => seed)
    return `${arm} (${role}, ${seeds.length === 0 ? 'left out' : `seeds ${seeds.join(', ')}`}): ${description}`
  })
  const lines = [
    bold(spec.title, session.text),
    ...paragraph(spec.claim),
    ...['', bold('Published', session.text), ...bullets([...spec.source, ...spec.expected])],
    ...['', bold('Arms', session.text), ...bullets(arms)],
    ...['', bold('Bars', session.text), ...bullets(spec.bars.map(({ id, statement }) => `${id}: ${statement}`))],
    '',
    ...(results ? await outcome(results, session) : [`Not run yet: diopter experiment run ${name}`]),
    ...paragraph(`Files: ${places.spec}, ${places.results}, ${places.runs}`),
  ]
  session.print(`${lines.join('\n')}\n`)
  return EXIT.ok
}

async function run(name: string, flags: Flags, session: Session): Promise<number> {
  const { quick = false, measureOnly = false, threads } = flags
  const part = flags.arm !== undefined || flags.seed !== undefined
  if (part && measureOnly)
    throw new UsageError('--measure-only measures every arm and seed: leave out --arm and --seed.')
  const { places, spec } = await open(name, quick)
  const { findExperiment } = await import('../../experiments/index.ts')
  const { planExperiment } = await import('../../experiments/plan.ts')
  const { measureExperiment } = await import('../../experiments/node/run-experiment.ts')
  // an experiment whose measures are not written yet can be trained
  const measured = part ? undefined : findExperiment(name)
  const plan = planExperiment(spec, quick, places.spec)
  const complete = measureOnly || (await train(places, plan, flags, session))
  if (session.signal.aborted) return EXIT.interrupted
  if (!measured) return EXIT.ok
  if (!complete) return EXIT.failed
  const { signal, onProgress } = session
  const measuring = measureExperiment(measured, places, plan, {
    quick,
    threads,
    signal,
    onProgress,
    warn: session.note,
  })
  const result = await measuring.catch((error: unknown) => {
    if (!signal.aborted) throw error
    session.note(
      'Interrupted while measuring: no results are written yet; what is measured is kept, and the same command goes on.',
    )
  })
  if (!result) return EXIT.interrupted
  const { results, files, notes } = result
  for (const one of notes) session.note(one)
  const written = files.map((file) => relative(process.cwd(), file)).join(', ')
  const lines = [...(await outcome(results, session)), ...wrap(`Written: ${written}`, session.text.width)]
  session.print(`${lines.join('\n')}\n`)
  return results.bars.every(({ met }) => met) ? EXIT.ok : EXIT.failed
}

/** Trains the chosen runs and says what came of them; whether every run of the experiment is now finished. */
async function train(
  places: ExperimentPlaces,
  plan: ExperimentPlan,
  flags: Flags,
  { signal, onProgress, note }: Session,
): Promise<boolean> {
  const { runName, trainRuns, unfinishedRuns } = await import('../../experiments/node/run-experiment.ts')
  await trainRuns(places, chosen(plan.runs, flags), {
    ...{ threads: flags.threads, signal, onProgress, warn: note },
    onRun(one, result) {
      if (result.state === 'busy') note(`${runName(one)}: process ${result.process} is training it.`)
      else note(`${runName(one)}: ${result.state} at step ${formatCount(result.step)}.`)
    },
  })
  const trained = plan.runs.filter(({ training }) => training)
  const unfinished = await unfinishedRuns(places, plan)
  const finished = `${trained.length - unfinished.length} of ${trained.length} trainings are finished`
  if (signal.aborted) note(`Interrupted: ${finished}; the same command goes on.`)
  else if (unfinished.length > 0) note(`Not measured yet: ${finished}.`)
  else if (trained.length > 0) note(`${finished}.`)
  return unfinished.length === 0
}

/** The runs that --arm and --seed choose. Throws a usage error when they choose none. */
function chosen(runs: readonly PlannedRun[], { arm, seed }: Flags): readonly PlannedRun[] {
  const left = runs.filter((one) => (arm ?? one.arm) === one.arm && (seed ?? one.seed) === one.seed)
  if (left.length > 0) return left
  const all = runs.map((one) => `${one.arm} ${one.seed}`)
  throw new UsageError(
    `No run has ${arm === undefined ? '' : `arm ${arm} `}${seed === undefined ? '' : `seed ${seed}`}. Arms and seeds: ${all.join(', ')}.`,
  )
}

async function latestResults(places: ExperimentPlaces): Promise<ExperimentResults | undefined> {
  const { readWrittenResults } = await import('../../experiments/node/places.ts')
  return readWrittenResults(places)
}

/** The table of bars, their statements where they are missed, and the verdict. */
async function outcome({ bars }: ExperimentResults, session: Session): Promise<string[]> {
  const { barTable, verdict } = await import('../../experiments/report.ts')
  const missed = bars.filter(({ met }) => !met).map(({ id, statement }) => `MISSED ${id}: ${statement}`)
  return [
    ...alignColumns(barTable(bars), session.text),
    '',
    ...missed.flatMap((line) => wrap(line, session.text.width)),
    bold(`${verdict(bars)}.`, session.text),
  ]
}
