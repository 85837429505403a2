import type { Engine } from '../engine/index.ts'
import { DiopterError, type WorkOptions } from '../errors/index.ts'
import { compileTrainingStep, type StepMeasures, type TrainingState } from '../optim/index.ts'
import { type BatchSource, batchesOfRun } from './batches.ts'
import { configDifferences, isDue, type TrainingConfig } from './config.ts'
import { compileEvaluations } from './evaluate.ts'
import type { Problem } from './problem.ts'
import type { RunStore } from './run-store.ts'

/** How a training runs, apart from what it computes. */
export interface TrainOptions extends WorkOptions {
  readonly store: RunStore
  /** Stops after this step (at the end of its compiled run), as if interrupted there; the config's `steps` unless given. */
  readonly until?: number | undefined
  /** Seconds between checkpoints; 60 unless given. */
  readonly checkpointSeconds?: number | undefined
  /** Hears of checkpoints that were passed over because they are broken. */
  readonly warn?: ((message: string) => void) | undefined
  /** Where batches come from; made by the problem when they are needed, unless given. */
  readonly batches?: BatchSource | undefined
}

/** Where a training stands when it returns. */
export interface TrainResult {
  readonly state: TrainingState
  /** False when it was aborted or stopped by `until` before the last step. */
  readonly complete: boolean
  /** Seconds of computing, earlier stretches included. */
  readonly seconds: number
}

/** How long the event loop may wait for a turn. */
const TURN_MS = 50

/**
 * Trains a problem as `config` says, going on from the store's newest checkpoint. A run that is killed and started again
 * writes the same bytes as one that was not. An abort saves a checkpoint and returns with `complete: false`.
 * Throws when the store's checkpoint is of another config, or training diverges: no checkpoint is made of that.
 */
export async function train(
  engine: Engine,
  problem: Problem,
  config: TrainingConfig,
  options: TrainOptions,
): Promise<TrainResult> {
  const { store, signal, onProgress, until = config.steps, checkpointSeconds = 60 } = options
  const { stepsPerRun, accumulate, steps } = config
  const { batches = (after: number) => batchesOfRun(problem, after, config) } = options
  const lastStep = Math.min(until, steps)
  const step = compileTrainingStep(engine, { ...config, ...problem, lastStep: steps })
  const evaluate = compileEvaluations(engine, problem)
  try {
    const resumed = await store.latest(options.warn ?? (() => undefined))
    if (resumed) requireSameConfig(resumed.config, config)
    let state = resumed?.state ?? step.start(problem.initial())
    let logBytes = resumed?.logBytes ?? 0
    let savedStep = resumed?.state.step
    const [secondsBefore, stepsBefore] = [resumed?.seconds ?? 0, state.step]
    await store.truncateLog(logBytes)
    const started = performance.now()
    const stretch = () => (performance.now() - started) / 1000
    const seconds = () => secondsBefore + stretch()
    let [savedAt, turnedAt] = [started, started]

    const observe = async () => {
      if (isDue(config.evaluate, state.step, stepsPerRun) || state.step >= steps) {
        const values = await evaluate(state)
        if (Object.keys(values).length > 0) logBytes = await store.log({ step: state.step, values })
      }
      if (isDue(config.snapshots, state.step, stepsPerRun)) await store.snapshot(state.step, state.parameters)
    }
    const save = async () => {
      if (state.step !== savedStep) {
        requireFinite(state, savedStep)
        await store.save({ state, config, logBytes, seconds: seconds() })
        savedStep = state.step
      }
      savedAt = performance.now()
    }

    if (!resumed) await observe()
    while (state.step < lastStep && !signal?.aborted) {
      const { state: next, measures } = await step.run(state, await batches(state.step))
      const lost = measures.findIndex(
        ({ loss, gradientNorm }) => !Number.isFinite(loss) || !Number.isFinite(gradientNorm),
      )
      for (const measure of lost < 0 ? measures : measures.slice(0, lost + 1)) {
        const { step: number, loss, gradientNorm, metrics } = measure
        // the step that was lost is logged whatever the cadence, so that a curve shows where
        if (number % config.logEvery !== 0 && measure !== measures[lost]) continue
        logBytes = await store.log({ step: number, values: { loss, gradientNorm, ...metrics } })
      }
      if (lost >= 0) throw diverged(measures[lost]!, savedStep)
      state = next
      await observe()
      const rate = (state.step - stepsBefore) / stretch()
      onProgress?.({
        phase: 'training',
        done: state.step,
        total: lastStep,
        unit: 'steps',
        etaSeconds: (lastStep - state.step) / rate,
        detail: `loss ${measures.at(-1)!.loss.toPrecision(4)}, ${Math.round(rate * accumulate * problem.tokensPerBatch)} tokens/s`,
      })
      if ((performance.now() - savedAt) / 1000 >= checkpointSeconds) await save()
      // Runs may block the event loop: without a turn of it, neither signals nor timers would ever be heard.
      if (performance.now() - turnedAt >= TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0))
        turnedAt = performance.now()
      }
    }
    await save()
    return { state, complete: state.step >= steps, seconds: seconds() }
  } finally {
    step.release()
    evaluate.release()
  }
}

function requireSameConfig(saved: TrainingConfig, asked: TrainingConfig): void {
  const differences = configDifferences(saved, asked)
  if (differences.length === 0) return
  throw new DiopterError(
    `The run's checkpoint was trained with another ${differences.join(', ')}. Resume it with its own config, or train in another folder.`,
  )
}

/** A step whose gradient was finite may still have left the numbers: its state must not replace a good checkpoint. */
function requireFinite({ step, parameters }: TrainingState, savedStep: number | undefined): void {
  for (const [name, values] of parameters) {
    if (values.every(Number.isFinite)) continue
    throw new DiopterError(`After step ${step} the parameter ${name} is not finite: ${advice(savedStep)}`)
  }
}

function diverged({ step, loss, gradientNorm }: StepMeasures, savedStep: number | undefined): DiopterError {
  return new DiopterError(
    `At step ${step} the loss is ${loss} and the gradient's norm ${gradientNorm}: ${advice(savedStep)}`,
  )
}

const advice = (savedStep: number | undefined) =>
  `training diverged. Lower the learning rate, or clip gradients. The last checkpoint ${
    savedStep === undefined ? 'was not yet made' : `is of step ${savedStep}, before that`
  }.`
