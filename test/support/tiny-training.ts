import {
  completeTrainingConfig,
  type Engine,
  findTask,
  type LogEntry,
  memoryStore,
  type TaskResources,
  type TrainingConfigInput,
  train,
} from '../../src/core.ts'

const nothing: TaskResources = {
  async readFile(path) {
    throw new Error(`${path}: there are no files here`)
  },
}

/** A training with everything that a step may hold: several steps per graph, clipping, warm-up, cosine, decoupled decay, evaluations. */
export const TINY_TRAINING: TrainingConfigInput = {
  task: 'modular-addition',
  config: { p: 7, trainFraction: 0.6, d_model: 8, n_heads: 2, d_mlp: 12 },
  seed: 5,
  steps: 16,
  // A small epsilon would make whole steps of rounding errors, where a gradient is zero but for them.
  optimiser: { name: 'adamw', learningRate: 0.02, weightDecay: 0.3, betas: [0.9, 0.98], epsilon: 1e-3 },
  schedule: { warmup: 4, shape: 'cosine', final: 0.1 },
  clip: 0.5,
  accumulate: 1,
  stepsPerRun: 2,
  logEvery: 1,
  evaluate: { every: 4 },
  snapshots: {},
}

/** A transformer trained for a few steps, as `TINY_TRAINING` says. Gives the whole log. */
export async function runTinyTraining(engine: Engine): Promise<readonly LogEntry[]> {
  const config = completeTrainingConfig(TINY_TRAINING)
  const problem = await findTask(config.task).create(config.config, config.seed, nothing)
  const store = memoryStore()
  await train(engine, problem, config, { store })
  return store.entries
}
