// The training steps that are timed: those of the tasks that ship, each on one batch that is made before the clock starts.
import {
  batchesOfRun,
  compileTrainingStep,
  completeTrainingConfig,
  createNodeBackend,
  Engine,
  findTask,
  preciseCrossEntropy,
} from '../dist/index.js'

const layers = 4
const vocabulary = 4096

/** A corpus of tokens without meaning: a step takes as long whatever it reads. */
const corpus = Uint16Array.from({ length: 2 ** 18 }, (_, i) => (i * 7919 + ((i * i) % 4093)) % vocabulary)
const resources = { readFile: async () => new Uint8Array(corpus.buffer) }

/** Reads the logits of all positions, so that none is left out; the gradient is that of the last position. */
const allPositions =
  (problem) =>
  (parameters, { tokens, answers }) => {
    const logits = problem.model.logits(parameters, tokens)
    return {
      loss: preciseCrossEntropy(logits.get(':', -1), answers).mean(),
      metrics: { meanLogit: logits.mean() },
    }
  }

const schedule = { warmup: 0 }
const text = { d_vocab: vocabulary, n_layers: layers, d_model: 256, n_heads: 8, d_mlp: 704, n_ctx: 128, batch: 4 }

/** Name -> config as in a training's file, and a loss in place of the task's own. */
const trainings = {
  // (a + b) mod 113, full batch of 3830 pairs; logits are read at the last position, and nothing else is computed
  grokking: { config: { task: 'modular-addition', schedule } },
  'grokking at all positions': { config: { task: 'modular-addition', schedule }, loss: allPositions },
  // a Llama of four layers on 32 rows of 128 tokens, gradients clipped to norm 1; in micro-batches, which stay in the cache
  text: { config: { task: 'text', schedule, accumulate: 8, config: text } },
}

/**
 * Opens a training by name. `run` does its next step on `batch` (the task's first unless given) and resolves to what it measured.
 * @param {string} name
 * @param {{ threads?: number, parameters?: Map<string, Float32Array>, batch?: Record<string, any>, optimiser?: object }} [options]
 */
export async function openTraining(name, { threads, parameters, batch, optimiser = {} } = {}) {
  const { config: input, loss } = trainings[name]
  const config = completeTrainingConfig(input)
  const problem = await findTask(config.task).create(config.config, config.seed, resources)
  const backend = createNodeBackend(threads === undefined ? {} : { threads })
  const engine = new Engine({ backend })
  const step = compileTrainingStep(engine, {
    ...config,
    ...problem,
    ...(loss ? { loss: loss(problem) } : {}),
    optimiser: { ...config.optimiser, ...optimiser },
    lastStep: config.steps,
  })
  const data = batch ?? batchesOfRun(problem, 0, config)
  let state = step.start(parameters ?? problem.initial())
  return {
    async run() {
      const result = await step.run(state, data)
      state = result.state
      return result.measures[0]
    },
    get parameters() {
      return state.parameters
    },
    async close() {
      step.release()
      await engine.dispose()
    },
  }
}
