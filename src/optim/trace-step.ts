import { gradients } from '../autodiff/index.ts'
import { DiopterError } from '../errors/index.ts'
import { narrow, substitute } from '../onnx/index.ts'
import { constant, type DType, input, type Shape, type Tensor } from '../tensor/index.ts'
import { after } from './after.ts'
import type { Optimiser } from './optimisers/index.ts'

/** A trained tensor: its name and shape, and whether weight decay on `weights` includes it (biases and norms are exempt). */
export interface Parameter {
  readonly name: string
  readonly shape: Shape
  readonly decays: boolean
}

/** The types of one micro-batch's arrays, by name. */
export type BatchTypes = Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape }>>

/** Traced parameters by name. */
export type Parameters = ReadonlyMap<string, Tensor>

/** A scalar to minimise, float32 or float64, and other tensors that are logged beside it. */
export interface TracedLoss {
  readonly loss: Tensor
  readonly metrics?: Readonly<Record<string, Tensor>>
}

/** The loss of one micro-batch, traced. `step` is its step's number counted from 1 (scalar float64). */
export type LossFunction = (parameters: Parameters, batch: Readonly<Record<string, Tensor>>, step: Tensor) => TracedLoss

/** What one traced step is made of. */
export interface StepParts {
  readonly parameters: readonly Parameter[]
  readonly batch: BatchTypes
  readonly loss: LossFunction
  readonly optimiser: Optimiser
  /** The learning rate at a step (scalar float64, from 1): scalar float32. */
  readonly learningRate: (step: Tensor) => Tensor
  /** Gradients longer than this (norm over all parameters) are shortened to it. */
  readonly clip?: number | undefined
  /** Micro-batches whose mean gradient makes one step. */
  readonly accumulate: number
  readonly decays: 'all' | 'weights'
}

/** The tensors that a step starts from and leaves behind: parameters, and moments by moment name. */
export interface TracedState {
  readonly step: Tensor
  readonly parameters: readonly Tensor[]
  /** [parameter][moment] */
  readonly moments: readonly (readonly Tensor[])[]
}

/** What one step computes beside the next state. */
export interface StepReport {
  readonly loss: Tensor
  readonly gradientNorm: Tensor
  readonly metrics: Readonly<Record<string, Tensor>>
}

/** A step: from a state and micro-batches to the next state. */
export type TracedStep = (
  state: TracedState,
  microBatches: readonly Readonly<Record<string, Tensor>>[],
) => { readonly state: TracedState; readonly report: StepReport }

/**
 * Traces forward, loss and backward once on placeholders, narrowed to what the loss reads, and returns a function that
 * inlines that graph: steps compose to several steps per graph, and micro-batches to accumulated gradients.
 * Throws when the loss is not a float scalar or does not depend on any parameter.
 */
export function traceStep(parts: StepParts): TracedStep {
  const { parameters, optimiser, accumulate } = parts
  const body = traceGradients(parts)
  return (state, microBatches) => {
    const step = state.step.add(constant(1, 'float64'))
    // Each micro-batch waits for the sums of gradients before it, so that one at a time needs memory.
    let sums: readonly Tensor[] = []
    const runs = microBatches.map((batch) => {
      const run = body(state.parameters, sums.length > 0 ? after(sums, batch) : batch, step)
      sums = run.gradients.map((gradient, p) => sums[p]?.add(gradient) ?? gradient)
      return run
    })
    const share = (sum: Tensor) => (accumulate === 1 ? sum : sum.mul(constant(1 / accumulate, sum.dtype)))
    const mean = (values: readonly Tensor[]) => share(values.reduce((a, b) => a.add(b)))
    const raw = sums.map(share)
    const gradientNorm = raw
      .map((gradient) => gradient.square().sum())
      .reduce((a, b) => a.add(b))
      .sqrt()
    const clipped = raw.map((gradient) => clip(gradient, gradientNorm, parts.clip))
    const learningRate = parts.learningRate(step)
    const updated = parameters.map((parameter, p) =>
      optimiser.update({
        parameter: state.parameters[p]!,
        gradient: clipped[p]!,
        moments: state.moments[p]!,
        learningRate,
        step,
        weightDecay: parts.decays === 'all' || parameter.decays ? optimiser.weightDecay : 0,
      }),
    )
    const metricNames = Object.keys(runs[0]!.metrics)
    const metrics = metricNames.map((name) => [name, mean(runs.map((run) => run.metrics[name]!))] as const)
    return {
      state: {
        step,
        parameters: updated.map(({ parameter }) => parameter),
        moments: updated.map(({ moments }) => moments),
      },
      report: { loss: mean(runs.map(({ loss }) => loss)), gradientNorm, metrics: Object.fromEntries(metrics) },
    }
  }
}

interface Differentiated {
  readonly loss: Tensor
  readonly gradients: readonly Tensor[]
  readonly metrics: Readonly<Record<string, Tensor>>
}

type GradientBody = (
  parameters: readonly Tensor[],
  batch: Readonly<Record<string, Tensor>>,
  step: Tensor,
) => Differentiated

/** The loss and its gradients as a function of tensors, whatever they are traced from. */
function traceGradients({ parameters, batch, loss: lossFunction }: StepParts): GradientBody {
  const places = parameters.map(({ name, shape }) => input(`placeholder/${name}`, shape))
  const batchPlaces = Object.entries(batch).map(
    ([name, { dtype, shape }]) => [name, input(`placeholder/batch/${name}`, shape, dtype)] as const,
  )
  const stepPlace = input('placeholder/step', [], 'float64')
  const named = new Map(parameters.map(({ name }, p) => [name, places[p]!]))
  const traced = lossFunction(named, Object.fromEntries(batchPlaces), stepPlace)
  if (traced.loss.rank !== 0 || !traced.loss.dtype.startsWith('float')) {
    throw new DiopterError(`The loss to minimise must be a float scalar; it is ${traced.loss}. Reduce it with mean().`)
  }
  const metricNames = Object.keys(traced.metrics ?? {})
  const [loss, ...metrics] = narrow([traced.loss, ...Object.values(traced.metrics ?? {})]) as [Tensor, ...Tensor[]]
  const outputs = [loss, ...gradients([loss], places), ...metrics]
  return (values, batchValues, step) => {
    const replacements = new Map<Tensor, Tensor>([[stepPlace, step]])
    places.forEach((place, p) => {
      replacements.set(place, values[p]!)
    })
    for (const [name, place] of batchPlaces) replacements.set(place, batchValues[name]!)
    const [inlinedLoss, ...rest] = substitute(outputs, replacements) as [Tensor, ...Tensor[]]
    return {
      loss: inlinedLoss,
      gradients: rest.slice(0, places.length),
      metrics: Object.fromEntries(metricNames.map((name, m) => [name, rest[places.length + m]!])),
    }
  }
}

function clip(gradient: Tensor, norm: Tensor, limit: number | undefined): Tensor {
  if (limit === undefined) return gradient
  const scale = constant(limit)
    .div(norm.add(constant(1e-6)))
    .minimum(constant(1))
  return gradient.mul(scale)
}
