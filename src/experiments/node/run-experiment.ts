import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { DiopterError, throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { writeAtomically, writeError } from '../../train/node/atomic-write.ts'
import { fileResources } from '../../train/node/resources.ts'
import type { ArmResult, Experiment } from '../experiment.ts'
import { type ExperimentPlan, type PlannedRun, planExperiment } from '../plan.ts'
import { type ExperimentResults, readmeWithResults, resultsOf, writeResults } from '../report.ts'
import { keptMeasures } from './kept-measures.ts'
import { type ExperimentPlaces, readExperiment, runFolder } from './places.ts'
import { finishedStep, openRun, type RunOutcome, type RunTrainingOptions, trainRun } from './run-folder.ts'

/** What a version of an experiment trains and holds, from its experiment.json. Throws when that does not fit. */
export function readPlan(places: ExperimentPlaces, quick: boolean): ExperimentPlan {
  return planExperiment(readExperiment(places), quick, places.spec)
}

/** Names a run in progress and messages. */
export function runName({ arm, seed }: Pick<PlannedRun, 'arm' | 'seed'>): string {
  return `${arm}-${seed}`
}

/** How runs are trained. */
export interface TrainRunsOptions extends RunTrainingOptions {
  /** Hears what came of each run that trains something. */
  readonly onRun?: ((run: PlannedRun, outcome: RunOutcome) => void) | undefined
}

/**
 * Trains runs one after the other, each in its own folder; finished ones are left alone, and those that another process
 * trains are passed over. An abort saves a checkpoint and returns.
 */
export async function trainRuns(
  places: ExperimentPlaces,
  runs: readonly PlannedRun[],
  { onRun, onProgress, ...options }: TrainRunsOptions = {},
): Promise<void> {
  const trained = runs.filter(({ training }) => training)
  for (const [i, run] of trained.entries()) {
    if (options.signal?.aborted) return
    const phase = `${runName(run)} (run ${i + 1} of ${trained.length})`
    const outcome = await trainRun(runFolder(places, run.arm, run.seed), run.training!, {
      ...options,
      onProgress: onProgress && ((progress) => onProgress({ ...progress, phase })),
    })
    onRun?.(run, outcome)
  }
}

/** The runs whose training is not finished. */
export async function unfinishedRuns(places: ExperimentPlaces, { runs }: ExperimentPlan): Promise<PlannedRun[]> {
  const unfinished: PlannedRun[] = []
  for (const run of runs) {
    if (!run.training) continue
    const step = await finishedStep(runFolder(places, run.arm, run.seed), run.training)
    if (step === undefined) unfinished.push(run)
  }
  return unfinished
}

/** How an experiment is measured. */
export interface MeasureOptions extends WorkOptions {
  readonly quick: boolean
  readonly threads?: number | undefined
  /** Hears, in a sentence, of measures that an earlier, interrupted call had kept. */
  readonly warn?: ((sentence: string) => void) | undefined
}

/** What was measured, and where it was written. */
export interface Measured {
  readonly results: ExperimentResults
  /** The files, absolute or from the working folder as the places are. */
  readonly files: readonly string[]
  /** What could not be written as asked. */
  readonly notes: readonly string[]
}

/**
 * Measures every arm and seed, holds the bars, and writes results.json, figures/*.svg and the README's table. What is measured of a
 * run is kept until then: after an abort, a kill or an error the next call goes on from it.
 * Throws when a run's training is not finished, a bar's measure is missing, or the files cannot be written.
 */
export async function measureExperiment(
  experiment: Experiment,
  places: ExperimentPlaces,
  plan: ExperimentPlan,
  { quick, threads, signal, onProgress, warn }: MeasureOptions,
): Promise<Measured> {
  const unfinished = await unfinishedRuns(places, plan)
  if (unfinished.length > 0)
    throw new DiopterError(
      `Not every run of ${experiment.name} is finished, so it cannot be measured yet. Missing: ${unfinished.map(runName).join(', ')}.`,
    )
  const seconds = new Map<string, number>()
  const measured: ArmResult[] = []
  const kept = keptMeasures(places)
  const known = await Promise.all(plan.runs.map((run) => kept.read(run)))
  const before = plan.runs.filter((_, i) => known[i]).map(runName)
  if (before.length > 0)
    warn?.(
      `Measured before, by a call that was interrupted: ${before.join(', ')}. To measure anew, delete ${kept.folder}.`,
    )
  const engine = new Engine({ backend: createNodeBackend({ threads }) })
  try {
    for (const [i, planned] of plan.runs.entries()) {
      throwIfAborted(signal)
      const { arm, seed, parameters, training } = planned
      const phase = `measuring ${runName(planned)} (${i + 1} of ${plan.runs.length})`
      onProgress?.({ phase, done: 0, total: 0 })
      const opened = training && (await openRun(runFolder(places, arm, seed), training))
      if (opened) seconds.set(runName(planned), opened.seconds)
      const measures =
        known[i] ??
        (await experiment.measure({
          ...{ arm, seed, parameters, engine, quick, signal, resources: fileResources },
          run: opened?.run,
          onProgress: onProgress && ((progress) => onProgress({ ...progress, phase: `${phase}: ${progress.phase}` })),
        }))
      if (!known[i]) await kept.keep(planned, measures)
      measured.push({ arm, seed, measures })
    }
  } finally {
    await engine.dispose()
  }
  const results = resultsOf(plan, measured, quick, (arm, seed) => seconds.get(runName({ arm, seed })))
  const report = await writeReport(experiment, places, results, experiment.figures(measured))
  await kept.clear()
  return { results, ...report }
}

async function writeReport(
  { name }: Experiment,
  places: ExperimentPlaces,
  results: ExperimentResults,
  figures: Readonly<Record<string, string>>,
): Promise<Pick<Measured, 'files' | 'notes'>> {
  const folder = join(places.results, 'figures')
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(folder, error)
  })
  const files = new Map([[join(places.results, 'results.json'), writeResults(results)]])
  for (const [figure, svg] of Object.entries(figures)) files.set(join(folder, `${figure}.svg`), svg)
  const notes: string[] = []
  if (!results.quick) {
    const readme = await readFile(places.readme, 'utf8').catch(() => '')
    const written = readmeWithResults(readme, name, results)
    if (written) files.set(join(places.results, 'README.md'), written)
    else notes.push(`${places.readme} has no <!-- results --> ... <!-- /results -->, so it got no table.`)
  }
  for (const [path, text] of files) await writeAtomically(path, text)
  return { files: [...files.keys()], notes }
}
