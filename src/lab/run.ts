import { gradients } from '../autodiff/index.ts'
import type { Residency, TensorValue } from '../engine/index.ts'
import { DiopterError, type WorkOptions } from '../errors/index.ts'
import { publicValues } from '../models/parameters.ts'
import { traceModel } from '../models/parts/model.ts'
import { narrow } from '../onnx/index.ts'
import { concat, type Tensor } from '../tensor/index.ts'
import type { Activation, NamedArray } from './arrays.ts'
import { BatchTaps } from './batch-taps.ts'
import type { Edits, Prompt } from './edits.ts'
import { matchNames } from './hook-names.ts'
import { type BatchLayout, batchLayout } from './layouts/batch.ts'
import { hookAxes, logicalActivation } from './logical.ts'
import { asMetric, evaluateMetric, type Metric, type MetricFunction } from './metrics.ts'
import type { Model } from './model.ts'
import type { TokenizedPrompt } from './prompts.ts'
import { type EditReport, type Provenance, reportEdits } from './provenance.ts'
import { type PromptArray, type Readout, type SeenTensors, traceReadout } from './readout.ts'
import { planEdits } from './resolve-edits.ts'
import { tappedForward } from './tapped-forward.ts'

/** What a run is asked for; nothing else is computed. */
export interface RunOptions extends WorkOptions {
  /** Hooks to return, by name or glob. */
  readonly capture?: string | readonly string[]
  readonly edits?: Edits
  readonly metric?: Metric | MetricFunction
  /** Hooks or weights (names or globs) to take the gradient of the metric's mean over prompts for. */
  readonly grad?: string | readonly string[]
  /** Values to compute inside the graph from activations and weights. */
  readonly readout?: Readout
  /** Whose logits to return: `last` (the default when nothing else is asked for), `all`, some positions, or `none`. */
  readonly positions?: 'last' | 'all' | 'none' | readonly number[]
  /** Overrides the start token that the tokenizer's own post-processor gives; acts on texts, not on token ids. */
  readonly prependBos?: boolean
  readonly residency?: Residency
}

/** What a run gives back. */
export interface RunOutput {
  readonly prompts: readonly TokenizedPrompt[]
  /** [batch, position, vocabulary] of the positions asked for. */
  readonly logits?: Activation
  readonly captures: Readonly<Record<string, Activation>>
  /** The metric of every prompt. */
  readonly metric?: readonly number[]
  /** Gradients of the metric's mean over the prompts: activations by hook, and weights in their public shapes. */
  readonly gradients: Readonly<Record<string, NamedArray | Activation>>
  /** What `readout` computed: by name, one array per prompt. */
  readonly readout: Readonly<Record<string, readonly PromptArray[]>>
  readonly edits: readonly EditReport[]
  readonly provenance: Provenance
}

const asList = (given: string | readonly string[] | undefined): readonly string[] =>
  given === undefined ? [] : typeof given === 'string' ? [given] : given

/** Traces, compiles and runs one batch of prompts; see `Model.run`. */
export async function runModel(model: Model, prompts: readonly Prompt[], options: RunOptions): Promise<RunOutput> {
  const { signal } = options
  const tokenized = prompts.map((prompt) => model.tokenize(prompt, options.prependBos))
  const layout = batchLayout(
    model.config,
    tokenized.map(({ ids }) => ids),
  )
  const matchHooks = (patterns: string | readonly string[] | undefined) =>
    unique(asList(patterns).flatMap((pattern) => matchNames(pattern, model.hookNames, 'The hook')))
  const captured = matchHooks(options.capture)
  const read = matchHooks(options.readout?.reads)
  const wanted = asList(options.grad).map((pattern) => matchTargets(model, pattern))
  const differentiated = matchHooks(options.readout?.differentiates)
  const gradHooks = unique(wanted.flatMap(({ hooks }) => hooks))
  const gradWeights = unique(wanted.flatMap(({ weights }) => weights))
  if (gradHooks.length + gradWeights.length + differentiated.length > 0 && !options.metric)
    throw new DiopterError('Gradients were asked for without a metric; give `metric`, the value to differentiate.')

  const edits = await planEdits(options.edits, model.hookNames, prompts, async (sources, hooks) => {
    const { captures } = await runModel(model, sources, {
      capture: hooks,
      positions: 'none',
      prependBos: options.prependBos,
      signal,
    })
    return captures
  })
  const taps = new BatchTaps(layout, edits, new Set([...captured, ...read]), new Set([...gradHooks, ...differentiated]))
  const logits = traceModel(tappedForward(model.config, model.weights, layout, taps))
  for (const name of [...captured, ...read, ...gradHooks, ...differentiated]) {
    if (!taps.recorded.has(name)) throw new DiopterError(`The hook ${name} did not fire in this run.`)
  }

  const asksNothing = captured.length === 0 && !options.metric && !options.readout
  const selection = selectLogits(layout, logits, options.positions ?? (asksNothing ? 'last' : 'none'))
  const metric = options.metric && traceMetric(asMetric(options.metric), layout, logits, taps)
  const readout =
    options.readout &&
    traceReadout(options.readout, model, layout, logits, seenTensors(taps, read, differentiated, metric))
  const hookTensors = gradHooks.map((name) => taps.recorded.get(name)!)
  const weightInputs = gradWeights.map((name) => model.weights.input(name))
  const capturedTensors = captured.map((name) => taps.recorded.get(name)!)
  const asked = [
    ...(selection ? [selection.tensor] : []),
    ...capturedTensors,
    ...(metric ? [metric] : []),
    ...(readout?.tensors ?? []),
  ]
  const outputs =
    hookTensors.length + weightInputs.length > 0 ? withGradients(asked, metric!, hookTensors, weightInputs) : asked
  const program = model.engine.compile(outputs, { weights: model.weights.stored, residency: options.residency })
  const results = await program.run({}, { signal }).finally(() => program.release())

  const take = results[Symbol.iterator]()
  const next = (): TensorValue => take.next().value!
  const logical = (name: string, value: TensorValue) => logicalActivation(name, value, layout)
  const selected = selection?.finish(next())
  const captures = Object.fromEntries(captured.map((name) => [name, logical(name, next())]))
  const values = metric && unsort(Array.from(next().data as Float32Array, Number), layout.order)
  const readValues = readout?.finish(readout.tensors.map(next))
  const grads = Object.fromEntries([
    ...gradHooks.map((name) => [name, logical(name, next())] as const),
    ...gradWeights.map((name) => [name, weightGradient(name, next(), model)] as const),
  ])
  return {
    prompts: tokenized,
    ...(selected ? { logits: selected } : {}),
    captures,
    ...(values ? { metric: values } : {}),
    readout: readValues ?? {},
    gradients: grads,
    edits: reportEdits(edits),
    provenance: model.provenance({ prompts: tokenized }),
  }
}

const unique = <T>(list: readonly T[]): T[] => [...new Set(list)]

function matchTargets(model: Model, pattern: string): { hooks: string[]; weights: string[] } {
  const names = matchNames(pattern, [...model.hookNames, ...model.weights.names], 'The hook or weight')
  const hooks = new Set(model.hookNames)
  return { hooks: names.filter((name) => hooks.has(name)), weights: names.filter((name) => !hooks.has(name)) }
}

/** The metric's value of every row, [B] in the layout's order. */
function traceMetric(metric: Metric, layout: BatchLayout, logits: Tensor, taps: BatchTaps): Tensor {
  const values = layout.groups.map((group) => {
    const own = layout.logical('logits', logits, group)
    const context = {
      prompts: group.prompts,
      tokens: layout.logical('tokens', layout.tokens, group),
      activation: (hook: string) => {
        const recorded = taps.recorded.get(hook)
        if (!recorded)
          throw new DiopterError(
            `The metric '${metric.name}' reads ${hook}, which this run does not capture; add it to \`capture\`.`,
          )
        return layout.logical(hook, recorded, group)
      },
    }
    const seen = metric.positions === 'last' ? own.slice(1, -1) : own
    return evaluateMetric(metric, seen, context, layout.groups.length === 1)
  })
  return concat(values, 0)
}

/**
 * The asked tensors and the gradients of the metric's mean. The graph is narrowed to what they need before it is
 * differentiated, so that the backward pass never leaves the positions that matter.
 */
function withGradients(
  asked: readonly Tensor[],
  metric: Tensor,
  hooks: readonly Tensor[],
  weights: readonly Tensor[],
): Tensor[] {
  const narrowed = narrow([...asked, metric, ...hooks])
  const value = narrowed[asked.length]!
  const targets = [...narrowed.slice(asked.length + 1), ...weights]
  return [...narrowed.slice(0, asked.length), ...gradients([value.mean()], targets)]
}

/** What a readout sees. As above, what it differentiates is narrowed first; rows are independent, so the gradient of their sum is each row's own. */
function seenTensors(
  { recorded }: BatchTaps,
  read: readonly string[],
  differentiated: readonly string[],
  metric: Tensor | undefined,
): SeenTensors {
  if (differentiated.length === 0) return { activations: recorded, gradients: new Map() }
  const names = unique([...read, ...differentiated])
  const [value, ...tensors] = narrow([metric!, ...names.map((name) => recorded.get(name)!)])
  const activations = new Map(names.map((name, i) => [name, tensors[i]!]))
  const slopes = gradients(
    [value!.sum()],
    differentiated.map((name) => activations.get(name)!),
  )
  return { activations, gradients: new Map(differentiated.map((name, i) => [name, slopes[i]!])) }
}

function weightGradient(name: string, value: TensorValue, model: Model): NamedArray {
  const spec = model.weights.spec(name)
  return {
    name,
    axes: spec.shape.map((_, i) => `axis ${i}`),
    shape: spec.shape,
    dtype: value.dtype,
    data: publicValues(spec, value.data as Float32Array),
  }
}

/** Values of the rows, in the order of the prompts; a metric that is one scalar stays one value. */
function unsort(values: readonly number[], order: readonly number[]): number[] {
  const result = new Array<number>(values.length)
  values.forEach((value, row) => {
    result[order[row]!] = value
  })
  return result
}

/** The logits asked for, as a traced tensor [B, n, V], and what makes the result of its values. */
function selectLogits(
  layout: BatchLayout,
  logits: Tensor,
  positions: NonNullable<RunOptions['positions']>,
): { tensor: Tensor; finish: (value: TensorValue) => Activation } | undefined {
  if (positions === 'none') return undefined
  if (positions === 'all') return { tensor: logits, finish: (value) => logicalActivation('logits', value, layout) }
  const list = positions === 'last' ? [-1] : positions
  if (list.length === 0) throw new DiopterError("positions: the list is empty; ask for 'none' to get no logits.")
  const parts = layout.groups.map((group) => {
    const own = layout.logical('logits', logits, group)
    return concat(
      list.map((p) => own.get(':', p).unsqueeze(1)),
      1,
    )
  })
  const finish = (value: TensorValue): Activation => {
    const { order } = layout
    const size = value.data.length / order.length
    const data = value.data.slice() as Float32Array
    order.forEach((prompt, row) => {
      data.set(value.data.subarray(row * size, (row + 1) * size) as Float32Array, prompt * size)
    })
    return {
      name: 'logits',
      axes: hookAxes('logits', 3),
      shape: value.shape,
      dtype: value.dtype,
      data,
      lengths: order.map(() => list.length),
    }
  }
  return { tensor: concat(parts, 0), finish }
}
