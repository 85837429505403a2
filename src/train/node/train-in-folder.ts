import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { DiopterError } from '../../errors/index.ts'
import { completeTrainingConfig } from '../complete-config.ts'
import { configDifferences, type TrainingConfig } from '../config.ts'
import type { Problem } from '../problem.ts'
import { type TrainOptions, type TrainResult, train } from '../train.ts'
import { makeFolder, removeUnfinished } from './atomic-write.ts'
import { prepareBatches } from './batch-source.ts'
import { createProblem } from './create-problem.ts'
import { checkpointSteps, folderStore } from './folder-store.ts'
import { whileLocked } from './lock.ts'
import { saveModel } from './save-model.ts'
import { readTrainingRecord, type TrainingRecord, writeTrainingRecord } from './training-record.ts'

/** How a training in a folder runs. */
export interface FolderTrainingOptions extends Omit<TrainOptions, 'store'> {
  /** What happens when the folder holds a run (`no`, the default: an error) or holds none (`yes`: an error). */
  readonly resume?: 'no' | 'if-any' | 'yes' | undefined
  /** Threads of one step. A new run takes all cores unless told; a resumed one takes as many as it began with. */
  readonly threads?: number | undefined
  /** Where steps run; `cpu` for new runs unless given. */
  readonly provider?: TrainingRecord['provider'] | undefined
  /** What else the folder's `training.json` notes, such as the command line. */
  readonly notes?: Readonly<Record<string, unknown>> | undefined
  /** What is trained, when `config.task` is in no table; the config must then be complete. */
  readonly problem?: Problem | undefined
}

/** A training in a folder, as far as it came. */
export interface FolderTrainingResult extends TrainResult {
  readonly record: TrainingRecord
  readonly problem: Problem
  /** The folder of the finished model; null before the end, and for problems that are no models. */
  readonly modelFolder: string | null
}

/**
 * Trains in a folder: `training.json` (config, threads, notes), `log.jsonl`, `checkpoints/`, `snapshots/`, and at the end
 * `model/`. A run that was stopped or killed and is resumed here ends with the same bytes as one that was not.
 * Throws when the folder holds a run that is not to be resumed, or one of another config or number of threads; when it
 * cannot be written; and when training diverges.
 */
export async function trainInFolder(
  folder: string,
  config: unknown,
  { resume = 'no', threads, provider, notes = {}, problem: given, ...options }: FolderTrainingOptions = {},
): Promise<FolderTrainingResult> {
  const complete = given ? (config as TrainingConfig) : completeTrainingConfig(config)
  const existing = await readTrainingRecord(folder)
  if (existing) requireResumable(folder, existing, { resume, config: complete, threads, provider })
  else await requireNew(folder, resume)
  const record = existing ?? {
    config: complete,
    threads: threads ?? availableParallelism(),
    provider: provider ?? 'cpu',
    ...notes,
  }
  const problem = given ?? (await createProblem(complete))
  await makeFolder(folder)
  const outcome = await whileLocked(folder, async () => {
    for (const part of ['.', 'checkpoints', 'snapshots', 'model']) await removeUnfinished(join(folder, part))
    if (!existing) await writeTrainingRecord(folder, record)
    // a worker can make the problem again only when its task has a name
    const prepared = given ? undefined : prepareBatches(problem, record.config, { warn: options.warn })
    try {
      return await computeInFolder(folder, problem, record, { batches: prepared?.next, ...options })
    } finally {
      await prepared?.dispose()
    }
  })
  if ('done' in outcome) return outcome.done
  throw new DiopterError(
    `Process ${outcome.busy} is training in ${folder}. Let it end, or stop it, before another does.`,
  )
}

async function computeInFolder(
  folder: string,
  problem: Problem,
  record: TrainingRecord,
  options: Omit<TrainOptions, 'store'>,
): Promise<FolderTrainingResult> {
  const store = await folderStore(folder, problem.parameters)
  const { provider, threads, config } = record
  const engine = new Engine({ backend: createNodeBackend({ provider, threads }) })
  try {
    const result = await train(engine, problem, config, { ...options, store })
    const { model } = problem
    const modelFolder = result.complete && model ? join(folder, 'model') : null
    if (modelFolder && model) await saveModel(modelFolder, { ...problem, model }, result.state.parameters)
    return { ...result, record, problem, modelFolder }
  } finally {
    await engine.dispose()
  }
}

interface Asked extends Pick<FolderTrainingOptions, 'resume' | 'threads' | 'provider'> {
  readonly config: TrainingConfig
}

/** Throws when the folder's run is not to be resumed, or not as it began. */
function requireResumable(folder: string, { config, threads, provider }: TrainingRecord, asked: Asked): void {
  if (asked.resume === 'no') {
    throw new DiopterError(
      `${folder} already holds a run of ${config.task} (seed ${config.seed}). Resume it (--resume), or train in another folder (--out).`,
    )
  }
  const differences = configDifferences(config, asked.config)
  if (differences.length > 0) {
    throw new DiopterError(
      `The run in ${folder} has another ${differences.join(', ')}. Resume it with its own config, or train in another folder.`,
    )
  }
  const machinery = [
    asked.threads !== undefined && asked.threads !== threads && `${threads} threads, not ${asked.threads}`,
    asked.provider !== undefined && asked.provider !== provider && `the provider ${provider}, not ${asked.provider}`,
  ].filter((difference) => difference !== false)
  if (machinery.length === 0) return
  throw new DiopterError(
    `The run in ${folder} began with ${machinery.join(' and ')}: its numbers would round differently from here on. Resume it without saying so, or train in another folder.`,
  )
}

/** Throws when a run was to be resumed, and when the folder holds checkpoints that nothing describes. */
async function requireNew(folder: string, resume: FolderTrainingOptions['resume']): Promise<void> {
  if (resume === 'yes')
    throw new DiopterError(`${folder} holds no run to resume (no training.json). Leave out --resume to start one.`)
  if ((await checkpointSteps(folder)).length > 0)
    throw new DiopterError(
      `${folder} holds checkpoints, but no training.json that says of what. Train in another folder.`,
    )
}
