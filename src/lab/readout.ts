import type { TensorValue } from '../engine/index.ts'
import { DiopterError } from '../errors/index.ts'
import { unembed } from '../models/parts/embed.ts'
import { norm } from '../models/parts/norm.ts'
import { type DType, type Shape, sizeOf, type Tensor, type TypedArray } from '../tensor/index.ts'
import type { BatchLayout, LengthGroup } from './layouts/batch.ts'
import type { Model } from './model.ts'
import { tappedForward } from './tapped-forward.ts'

/** What a readout may compute from: the rows of prompts of one length, n of them, with logical positions. */
export interface ReadoutContext {
  /** The number of the prompt that each row belongs to. */
  readonly prompts: readonly number[]
  /** Token ids, int64 [n, P]. */
  readonly tokens: Tensor
  /** The model's logits [n, P, V], after edits. */
  readonly logits: Tensor
  /** An activation after edits, [n, P, ...] or [n, H, Q, K]; one of those that the readout says it reads. */
  readonly activation: (hook: string) => Tensor
  /** The gradient of each row's own metric by one of the activations that the readout says it differentiates by, of the activation's shape. */
  readonly gradient: (hook: string) => Tensor
  /** A weight in its public shape; throws when the model has none of that name. */
  readonly weight: (name: string) => Tensor
  readonly hasWeight: (name: string) => boolean
  /** Residual streams [..., d] through the model's own final norm; as they are where it has none. */
  readonly finalNorm: (resid: Tensor) => Tensor
  /** The logits [..., V] of residual streams [..., d] through the model's own final norm and unembedding. */
  readonly unembed: (resid: Tensor) => Tensor
}

/**
 * Values that are computed inside a run's graph from its activations, so that only they cross into JavaScript: the top
 * tokens of a layer instead of its logits, one number per head instead of its pattern.
 */
export interface Readout {
  /** Hooks that `trace` looks at, by name or glob. */
  readonly reads: string | readonly string[]
  /** Hooks by which `trace` looks at gradients of the run's metric, by name or glob; none unless said. */
  readonly differentiates?: string | readonly string[]
  /** Whether values are of all prompts together, of whatever shape: given once, as the only entry of their list. The prompts then need one length. */
  readonly acrossPrompts?: boolean
  /** Traces named values, each with the rows as first axis, [n, ...], unless they are `acrossPrompts`. Called once per length of prompts. */
  readonly trace: (context: ReadoutContext) => Readonly<Record<string, Tensor>>
}

/** One prompt's part of a value that a readout computed. */
export interface PromptArray {
  readonly shape: Shape
  readonly dtype: DType
  readonly data: TypedArray
}

/** A readout's values of every group of prompts, ready to compile. */
export interface TracedReadout {
  readonly tensors: readonly Tensor[]
  /** By name, one array per prompt in the order of the prompts. */
  readonly finish: (values: readonly TensorValue[]) => Readonly<Record<string, readonly PromptArray[]>>
}

/** The tensors of a run that a readout sees, by hook, in the layout's order. */
export interface SeenTensors {
  readonly activations: ReadonlyMap<string, Tensor>
  readonly gradients: ReadonlyMap<string, Tensor>
}

/**
 * Traces a readout over the groups of a run. Throws when it looks at a hook that it did not name, gives no rows, or is of all prompts
 * where these differ in length.
 */
export function traceReadout(
  readout: Readout,
  model: Model,
  layout: BatchLayout,
  logits: Tensor,
  { activations, gradients }: SeenTensors,
): TracedReadout {
  if (readout.acrossPrompts && layout.groups.length > 1)
    throw new DiopterError(
      `A readout of all prompts together needs prompts of one length; these have ${layout.groups.map(({ length }) => length).join(', ')} tokens.`,
    )
  const silent = tappedForward(model.config, model.weights, layout, { hook: (_, x) => x, wants: () => false })
  const parts = layout.groups.flatMap((group) => {
    const traced = readout.trace({
      prompts: group.prompts,
      tokens: layout.logical('tokens', layout.tokens, group),
      logits: layout.logical('logits', logits, group),
      activation: (hook) => layout.logical(hook, named(activations, hook, 'reads'), group),
      gradient: (hook) => layout.logical(hook, named(gradients, hook, 'differentiates'), group),
      weight: (name) => model.weights.tensor(name),
      hasWeight: (name) => model.weights.has(name),
      finalNorm: (resid) => (model.config.final_norm ? norm(silent, 'ln_final', resid) : resid),
      unembed: (resid) => unembed(silent, resid),
    })
    return Object.entries(traced).map(([name, tensor]) => ({
      name,
      tensor: readout.acrossPrompts ? tensor : requireRows(name, tensor, group),
      group,
    }))
  })
  return {
    tensors: parts.map(({ tensor }) => tensor),
    finish(values) {
      const result: Record<string, PromptArray[]> = {}
      parts.forEach(({ name, group }, part) => {
        const { shape, dtype, data } = values[part]!
        if (readout.acrossPrompts) {
          result[name] = [{ shape, dtype, data }]
          return
        }
        const size = sizeOf(shape.slice(1))
        const rows = (result[name] ??= new Array<PromptArray>(layout.batch))
        group.prompts.forEach((prompt, i) => {
          rows[prompt] = { shape: shape.slice(1), dtype, data: data.slice(i * size, (i + 1) * size) }
        })
      })
      return result
    },
  }
}

function named(tensors: ReadonlyMap<string, Tensor>, hook: string, where: 'reads' | 'differentiates'): Tensor {
  const tensor = tensors.get(hook)
  if (tensor) return tensor
  throw new DiopterError(`The readout looks at ${hook}, which its \`${where}\` does not name.`)
}

function requireRows(name: string, tensor: Tensor, { count }: LengthGroup): Tensor {
  if (tensor.shape[0] === count) return tensor
  throw new DiopterError(
    `The readout's '${name}' has shape [${tensor.shape.join(', ')}]; its first axis must be the ${count} rows.`,
  )
}
