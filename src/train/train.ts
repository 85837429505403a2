import type { Engine, Program, TensorValue } from '../engine/index.ts'
import { DiopterError, type WorkOptions } from '../errors/index.ts'
import { compileTrainingStep, type Parameter, type TrainingState } from '../optim/index.ts'
import { allocate, input, type Tensor, type TypedArray, topologicalOrder } from '../tensor/index.ts'
import { isDue, type TrainingConfig } from './config.ts'
import type { Evaluation, Problem } from './problem.ts'
import type { RunStore } from './run-store.ts'

/** How a training runs, apart from what it computes. */
export interface TrainOptions extends WorkOptions {
  readonly store: RunStore
  /** Stops after this step, as if the run were interrupted there; the config's `steps` unless given. */
  readonly until?: number | undefined
  /** Seconds between checkpoints; 60 unless given. */
  readonly checkpointSeconds?: number | undefined
  /** Hears of checkpoints that were passed over because they are broken. */
  readonly warn?: ((message: string) => void) | undefined
}

/** Where a training stands when it returns. */
export interface TrainResult {
  readonly state: TrainingState
  /** False when it was aborted or stopped by `until` before the last step. */
  readonly complete: boolean
  /** Seconds of computing, earlier stretches included. */
  readonly seconds: number
}

/**
 * Trains a problem as `config` says, going on from the store's newest checkpoint. A run that is killed and started again
 * writes the same bytes as one that was not. An abort saves a checkpoint and returns with `complete: false`.
 * Throws when the store's checkpoint is of another config, or the loss is not a number (the last checkpoint is kept).
 */
export async function train(
  engine: Engine,
  problem: Problem,
  config: TrainingConfig,
  options: TrainOptions,
): Promise<TrainResult> {
  const { store, signal, onProgress, until = config.steps, checkpointSeconds = 60 } = options
  const { stepsPerRun, accumulate } = config
  const lastStep = Math.min(until, config.steps)
  const step = compileTrainingStep(engine, { ...config, ...problem, lastStep: config.steps })
  const evaluate = compileEvaluations(engine, problem)
  try {
    const resumed = await store.latest(options.warn ?? (() => undefined))
    if (resumed) requireSameConfig(resumed.config, config)
    let state = resumed?.state ?? step.start(problem.initial())
    let logBytes = resumed?.logBytes ?? 0
    const secondsBefore = resumed?.seconds ?? 0
    const stepsBefore = state.step
    await store.truncateLog(logBytes)
    const started = performance.now()
    const seconds = () => secondsBefore + (performance.now() - started) / 1000
    let savedAt = performance.now()

    const observe = async () => {
      if (isDue(config.evaluate, state.step, stepsPerRun) || state.step >= config.steps) {
        const values = await evaluate(state)
        if (Object.keys(values).length > 0) logBytes = await store.log({ step: state.step, values })
      }
      if (isDue(config.snapshots, state.step, stepsPerRun)) await store.snapshot(state.step, state.parameters)
    }
    const save = async () => {
      await store.save({ state, config, logBytes, seconds: seconds() })
      savedAt = performance.now()
    }

    if (!resumed) await observe()
    while (state.step < lastStep && !signal?.aborted) {
      const { state: next, measures } = await step.run(state, batchesFor(problem, state.step, stepsPerRun, accumulate))
      const last = measures.at(-1)!
      if (!Number.isFinite(last.loss)) {
        throw new DiopterError(
          `The loss at step ${last.step} is ${last.loss}: training diverged. Lower the learning rate, or clip gradients; the last checkpoint is of step ${savedStep(resumed?.state.step)}.`,
        )
      }
      state = next
      for (const { step: number, loss, gradientNorm, metrics } of measures) {
        if (number % config.logEvery !== 0) continue
        logBytes = await store.log({ step: number, values: { loss, gradientNorm, ...metrics } })
      }
      await observe()
      const rate = (state.step - stepsBefore) / ((performance.now() - started) / 1000)
      onProgress?.({
        phase: 'training',
        done: state.step,
        total: lastStep,
        unit: 'steps',
        etaSeconds: (lastStep - state.step) / rate,
        detail: `loss ${last.loss.toPrecision(4)}, ${Math.round(rate * accumulate * problem.tokensPerBatch)} tokens/s`,
      })
      if ((performance.now() - savedAt) / 1000 >= checkpointSeconds) await save()
      // Runs block the event loop: without a turn of it, neither signals nor timers would ever be heard.
      await new Promise((resolve) => setTimeout(resolve, 0))
    }
    await save()
    return { state, complete: state.step >= config.steps, seconds: seconds() }
  } finally {
    step.release()
    evaluate.release()
  }
}

const savedStep = (step: number | undefined) => step ?? 'none yet'

function requireSameConfig(saved: TrainingConfig, asked: TrainingConfig): void {
  const differences = configDifferences(saved, asked)
  if (differences.length === 0) return
  throw new DiopterError(
    `The run's checkpoint was trained with another ${differences.join(', ')}. Resume it with its own config, or train in another folder.`,
  )
}

/** The fields in which a run's config and one that is asked for differ: `steps (was 10, now 20)`. */
export function configDifferences(saved: TrainingConfig, asked: TrainingConfig): string[] {
  const keys = [...new Set([...Object.keys(saved), ...Object.keys(asked)])] as (keyof TrainingConfig)[]
  return keys
    .filter((key) => JSON.stringify(saved[key]) !== JSON.stringify(asked[key]))
    .map((key) => `${key} (was ${JSON.stringify(saved[key])}, now ${JSON.stringify(asked[key])})`)
}

/** The arrays [stepsPerRun, accumulate, ...] of a run that starts after `step` steps. */
function batchesFor(
  problem: Problem,
  step: number,
  stepsPerRun: number,
  accumulate: number,
): Readonly<Record<string, TypedArray>> {
  const count = stepsPerRun * accumulate
  const parts = Array.from({ length: count }, (_, i) => problem.microBatch(step * accumulate + i))
  if (count === 1) return parts[0]!
  return Object.fromEntries(
    Object.keys(problem.batch).map((name) => {
      const { dtype } = problem.batch[name]!
      const size = parts[0]![name]!.length
      const all = allocate(dtype, count * size)
      // one dtype throughout, which the union of array types cannot say
      parts.forEach((part, i) => {
        all.set(part[name] as never, i * size)
      })
      return [name, all]
    }),
  )
}

interface Evaluator {
  (state: TrainingState): Promise<Record<string, number | number[]>>
  release(): void
}

/** Compiles every evaluation to a program; the result runs them all on a state. */
function compileEvaluations(engine: Engine, { parameters, evaluations }: Problem): Evaluator {
  const programs = evaluations.map((evaluation) => compileEvaluation(engine, parameters, evaluation))
  const evaluate = async (state: TrainingState) => {
    const values: Record<string, number | number[]> = {}
    for (const run of programs) Object.assign(values, await run(state.parameters))
    return values
  }
  return Object.assign(evaluate, {
    release: () => {
      for (const program of programs) program.release()
    },
  })
}

/** Compiles one evaluation; the result measures it for given parameters. */
export function compileEvaluation(
  engine: Engine,
  parameters: readonly Parameter[],
  { name, inputs, trace }: Evaluation,
): {
  (values: ReadonlyMap<string, Float32Array>): Promise<Record<string, number | number[]>>
  release(): void
} {
  const places = new Map(parameters.map(({ name: one, shape }) => [one, input(`parameter/${one}`, shape)]))
  const data = Object.entries(inputs).map(
    ([one, { dtype, shape }]) => [one, input(`input/${one}`, shape, dtype)] as const,
  )
  const traced = trace(places, Object.fromEntries(data))
  const keys = Object.keys(traced)
  // what is measured need not depend on every parameter: an attention pattern never sees the unembedding
  const reached = new Set(topologicalOrder(Object.values(traced)))
  const fed = parameters.filter(({ name: one }) => reached.has(places.get(one)!))
  const program: Program = engine.compile(Object.values(traced) as Tensor[], { residency: 'inputs' })
  const fixed = Object.fromEntries(Object.entries(inputs).map(([one, value]) => [`input/${one}`, value]))
  const run = async (values: ReadonlyMap<string, Float32Array>) => {
    const feeds: Record<string, TensorValue> = { ...fixed }
    for (const { name: one, shape } of fed) {
      feeds[`parameter/${one}`] = { dtype: 'float32', shape, data: values.get(one)! }
    }
    const results = await program.run(feeds)
    return Object.fromEntries(
      keys.map((key, i) => {
        const numbers = [...results[i]!.data].map(Number)
        return [`${name}/${key}`, results[i]!.shape.length === 0 ? numbers[0]! : numbers]
      }),
    )
  }
  return Object.assign(run, { release: () => program.release() })
}
