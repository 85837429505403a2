import { type Backend, Engine } from '../../engine/index.ts'
import { DiopterError } from '../../errors/index.ts'
import {
  completeTrainingConfig,
  findTask,
  type LogEntry,
  memoryStore,
  type RunStore,
  type TaskResources,
  train,
} from '../../train/index.ts'
import type { AnswerContext } from './answer.ts'
import type { Requests } from './messages.ts'

/** Log entries travel together, at most this often. */
const LOG_MS = 100

const noFiles: TaskResources = {
  async readFile(path) {
    throw new DiopterError(
      `The workbench trains on data that a task makes by itself, and reads no files such as ${path}; for those there is the command diopter train.`,
    )
  },
}

/** Trains in memory and streams the log; an abort keeps what was trained until then. Throws as `train` does. */
export async function answerTraining(
  training: unknown,
  createBackend: () => Promise<Backend>,
  { signal, emit }: AnswerContext,
): Promise<Requests['train']['answer']> {
  const config = completeTrainingConfig(training)
  const problem = await findTask(config.task).create(config.config, config.seed, noFiles)
  const engine = new Engine({ backend: await createBackend() })
  const kept = memoryStore()
  let fresh: LogEntry[] = []
  let toldAt = Number.NEGATIVE_INFINITY
  const tell = () => {
    if (fresh.length > 0) emit({ kind: 'log', entries: fresh })
    fresh = []
    toldAt = performance.now()
  }
  const store: RunStore = {
    ...kept,
    log(entry) {
      fresh.push(entry)
      if (performance.now() - toldAt >= LOG_MS) tell()
      return kept.log(entry)
    },
    // Nobody could ask for them.
    snapshot: async () => undefined,
  }
  try {
    const { complete, seconds } = await train(engine, problem, config, {
      store,
      signal,
      onProgress: (progress) => emit({ kind: 'progress', progress }),
    })
    return { log: kept.entries, complete, seconds }
  } finally {
    tell()
    await engine.dispose()
  }
}
