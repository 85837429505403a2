import type { Shape, Tensor } from '../tensor/index.ts'

/** Where a parameter's stored values lie in a checkpoint: a whole tensor, or a part of a fused one. */
export interface ParameterSource {
  /** The checkpoint tensor's name. */
  readonly tensor: string
  /** The part, for fused tensors: seen as `view`, the indices start..end-1 of `axis`. */
  readonly part?: { readonly view: Shape; readonly axis: number; readonly start: number; readonly end: number }
}

/** A weight of a model: its public name and shape, and how it is stored, so that a checkpoint is used as it lies on disk. */
export interface ParameterSpec {
  /** TransformerLens's name, for example `blocks.0.attn.W_Q`. */
  readonly name: string
  /** The public shape, right-multiplied as in TransformerLens: W_Q is [H, d, dh]. */
  readonly shape: Shape
  /** `stored.transpose(...axes)` has the public shape; the stored array is row-major in its own order. */
  readonly axes: readonly number[]
  readonly source: ParameterSource
}

/** The shape in which a parameter's values are stored. */
export function storedShape({ shape, axes }: ParameterSpec): Shape {
  const stored = new Array<number>(shape.length)
  axes.forEach((axis, i) => {
    stored[axis] = shape[i]!
  })
  return stored
}

/** The public view of a stored tensor. */
export function publicView(stored: Tensor, { axes }: ParameterSpec): Tensor {
  return stored.transpose(...axes)
}
