import type { Engine, Program, StoredTensor, TensorValue } from '../engine/index.ts'
import type { WorkOptions } from '../errors/index.ts'
import { concat, input, type Tensor, type TypedArray, topologicalOrder } from '../tensor/index.ts'
import { createOptimiser, type OptimiserSpec } from './optimisers/index.ts'
import { learningRateAt, type Schedule } from './schedule.ts'
import { type BatchTypes, type LossFunction, type Parameter, type TracedState, traceStep } from './trace-step.ts'

/** How a training step is made. */
export interface TrainingStepOptions {
  readonly parameters: readonly Parameter[]
  /** The types of one micro-batch. */
  readonly batch: BatchTypes
  readonly loss: LossFunction
  readonly optimiser: OptimiserSpec
  readonly schedule: Schedule
  /** The step at which a schedule without an end of its own ends. */
  readonly lastStep: number
  /** Gradients longer than this norm are shortened to it; absent: never. */
  readonly clip?: number | undefined
  /** Micro-batches per step; 1 unless given. */
  readonly accumulate?: number
  /** Steps in one graph: several make small models faster, because parameters cross into ONNX Runtime less often. */
  readonly stepsPerRun?: number
  /** What the loss reads and no step changes, by input name: for example the weights of a model that is not trained. */
  readonly weights?: ReadonlyMap<string, StoredTensor>
}

/** All that a training needs to go on: how many steps are done, and float32 values by name. */
export interface TrainingState {
  readonly step: number
  readonly parameters: ReadonlyMap<string, Float32Array>
  /** By `<moment>/<parameter>`, for example `first/embed.W_E`. */
  readonly moments: ReadonlyMap<string, Float32Array>
}

/** What one step measured. */
export interface StepMeasures {
  /** The number of the step, from 1. */
  readonly step: number
  readonly loss: number
  /** The norm of the gradient before clipping. */
  readonly gradientNorm: number
  readonly metrics: Readonly<Record<string, number | readonly number[]>>
}

/** One or several steps as one compiled graph: parameters and moments go in and come out. */
export interface TrainingStep {
  readonly stepsPerRun: number
  /** The state before the first step: given parameters, moments of zero. */
  start(parameters: ReadonlyMap<string, Float32Array>): TrainingState
  /**
   * Runs `stepsPerRun` steps on `batches`: arrays of shape [stepsPerRun, accumulate, ...] by name.
   * Resolves to the next state and what each step measured; the given state stays as it is.
   */
  run(
    state: TrainingState,
    batches: Readonly<Record<string, TypedArray>>,
    options?: WorkOptions,
  ): Promise<{ readonly state: TrainingState; readonly measures: readonly StepMeasures[] }>
  release(): void
}

/**
 * Compiles forward, loss, backward, clipping, schedule and optimiser to one graph.
 * Throws when the loss is no float scalar, or parameters and numbers do not fit it.
 */
export function compileTrainingStep(engine: Engine, options: TrainingStepOptions): TrainingStep {
  const { parameters, batch, accumulate = 1, stepsPerRun = 1 } = options
  const optimiser = createOptimiser(options.optimiser)
  const momentNames = parameters.map(({ name }) => optimiser.moments.map((moment) => `${moment}/${name}`))
  const traced = traceStep({
    ...options,
    optimiser,
    accumulate,
    learningRate: (step) => learningRateAt(step, options.optimiser.learningRate, options.schedule, options.lastStep),
    decays: options.optimiser.decays,
  })

  const batchShape = (shape: readonly number[]) => [stepsPerRun, accumulate, ...shape]
  const batchInputs = Object.entries(batch).map(
    ([name, { dtype, shape }]) => [name, input(`batch/${name}`, batchShape(shape), dtype)] as const,
  )
  const microBatch = (step: number, part: number) =>
    Object.fromEntries(batchInputs.map(([name, t]) => [name, t.get(step, part)]))

  const begin: TracedState = {
    step: input('step', [], 'float64'),
    parameters: parameters.map(({ name, shape }) => input(`parameter/${name}`, shape)),
    moments: parameters.map(({ shape }, p) => momentNames[p]!.map((name) => input(`moment/${name}`, shape))),
  }
  let state = begin
  const reports = Array.from({ length: stepsPerRun }, (_, k) => {
    const next = traced(
      state,
      Array.from({ length: accumulate }, (_, part) => microBatch(k, part)),
    )
    state = next.state
    return next.report
  })
  const metricNames = Object.keys(reports[0]!.metrics)
  const metricSizes = metricNames.map((name) => reports[0]!.metrics[name]!.size)
  // One row of numbers per step: every output crosses into JavaScript by itself, so they travel together.
  const report = concat(
    reports.map(({ loss, gradientNorm, metrics }) => row([loss, gradientNorm, ...Object.values(metrics)])),
    0,
  )
  const outputs = [report, ...state.parameters, ...state.moments.flat()]
  const program: Program = engine.compile(outputs, { residency: 'inputs', weights: options.weights })
  // Not every rule asks for the step's number, nor every loss for all of a batch.
  const reached = new Set(topologicalOrder(outputs))
  const fedBatches = batchInputs.filter(([, t]) => reached.has(t))

  const measuresOf = (rows: Float64Array, step: number): StepMeasures[] => {
    const width = rows.length / stepsPerRun
    return reports.map((_, k) => {
      const values = rows.subarray(k * width, (k + 1) * width)
      let at = 2
      const metrics = metricNames.map((name, m) => {
        const own = [...values.subarray(at, at + metricSizes[m]!)]
        at += metricSizes[m]!
        return [name, reports[k]!.metrics[name]!.rank === 0 ? own[0]! : own] as const
      })
      const [loss, gradientNorm] = values as unknown as [number, number]
      return { step: step + k + 1, loss, gradientNorm, metrics: Object.fromEntries(metrics) }
    })
  }

  return {
    stepsPerRun,
    start: (values) => ({
      step: 0,
      parameters: values,
      moments: new Map(
        parameters.flatMap(({ shape }, p) =>
          momentNames[p]!.map((name) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))] as const),
        ),
      ),
    }),
    async run(current, batches, { signal } = {}) {
      const feeds: Record<string, TensorValue> = {}
      if (reached.has(begin.step)) feeds.step = { dtype: 'float64', shape: [], data: Float64Array.of(current.step) }
      for (const { name, shape } of parameters) feeds[`parameter/${name}`] = float32(current.parameters, name, shape)
      parameters.forEach(({ shape }, p) => {
        for (const name of momentNames[p]!) feeds[`moment/${name}`] = float32(current.moments, name, shape)
      })
      for (const [name, { dtype, shape }] of fedBatches) {
        feeds[`batch/${name}`] = { dtype, shape, data: batches[name]! }
      }
      const [measured, ...values] = await program.run(feeds, { signal })
      const array = (i: number) => values[i]!.data as Float32Array
      const names = momentNames.flat()
      return {
        state: {
          step: current.step + stepsPerRun,
          parameters: new Map(parameters.map(({ name }, p) => [name, array(p)])),
          moments: new Map(names.map((name, m) => [name, array(parameters.length + m)])),
        },
        measures: measuresOf(measured!.data as Float64Array, current.step),
      }
    },
    release: () => program.release(),
  }
}

/** Tensors of any shape as one row of float64: [1, all elements]. */
function row(tensors: readonly Tensor[]): Tensor {
  return concat(
    tensors.map((t) => t.cast('float64').reshape(1, t.size)),
    1,
  )
}

function float32(values: ReadonlyMap<string, Float32Array>, name: string, shape: readonly number[]): TensorValue {
  return { dtype: 'float32', shape, data: values.get(name)! }
}
