import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DiopterError, type WorkOptions } from '../../errors/index.ts'
import { configDifferences, parseLog, type TrainingConfig } from '../../train/index.ts'
import { writeError } from '../../train/node/atomic-write.ts'
import { createProblem } from '../../train/node/create-problem.ts'
import { folderStore, readSnapshot, snapshotSteps } from '../../train/node/folder-store.ts'
import { whileLocked } from '../../train/node/lock.ts'
import { trainInFolder } from '../../train/node/train-in-folder.ts'
import { readTrainingRecord } from '../../train/node/training-record.ts'
import type { TrainedRun } from '../experiment.ts'

/** How a run is trained, apart from what it computes. */
export interface RunTrainingOptions extends WorkOptions {
  readonly threads?: number | undefined
  /** Hears of checkpoints that were passed over because they are broken. */
  readonly warn?: ((message: string) => void) | undefined
}

/** What came of asking for a run: trained to its end now or before, stopped early, or in another process's hands. */
export type RunOutcome =
  | { readonly state: 'finished' | 'stopped'; readonly step: number }
  | { readonly state: 'busy'; readonly process: number }

/**
 * Trains the run of a folder to its end, going on from its newest checkpoint; a finished one is left as it is.
 * Throws when the folder holds a run of another config.
 */
export async function trainRun(
  folder: string,
  config: TrainingConfig,
  options: RunTrainingOptions,
): Promise<RunOutcome> {
  const before = await finishedStep(folder, config)
  if (before !== undefined) return { state: 'finished', step: before }
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw writeError(folder, error)
  })
  const outcome = await whileLocked(folder, () => trainInFolder(folder, config, { ...options, resume: 'if-any' }))
  if ('busy' in outcome) return { state: 'busy', process: outcome.busy }
  const { complete, state } = outcome.done
  return { state: complete ? 'finished' : 'stopped', step: state.step }
}

/** The last step of a finished run; undefined when there is no run, or it is not finished. Throws for one of another config. */
export async function finishedStep(folder: string, config: TrainingConfig): Promise<number | undefined> {
  const record = await readTrainingRecord(folder)
  if (!record) return undefined
  const differences = configDifferences(record.config, config)
  if (differences.length > 0)
    throw new DiopterError(
      `${folder} holds a run with another ${differences.join(', ')}. Delete that folder to train the run anew, or give experiment.json the old numbers back.`,
    )
  const last = await newestCheckpoint(folder)
  return last && last.state.step >= config.steps ? last.state.step : undefined
}

/** Opens a finished run. Throws when it is none, or a file of it is damaged. */
export async function openRun(
  folder: string,
  config: TrainingConfig,
): Promise<{ readonly run: TrainedRun; readonly seconds: number }> {
  const checkpoint = await newestCheckpoint(folder)
  if (!checkpoint || checkpoint.state.step < config.steps)
    throw new DiopterError(`${folder} holds no finished run of ${config.steps} steps.`)
  const run: TrainedRun = {
    config,
    problem: await createProblem(config),
    log: parseLog(await readFile(join(folder, 'log.jsonl'), 'utf8')),
    parameters: checkpoint.state.parameters,
    snapshotSteps: await snapshotSteps(folder),
    snapshot: (step) => readSnapshot(folder, step),
  }
  return { run, seconds: checkpoint.seconds }
}

async function newestCheckpoint(folder: string) {
  const store = await folderStore(folder, [])
  return store.latest(() => undefined)
}
