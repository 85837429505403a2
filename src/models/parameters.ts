import { type Shape, sizeOf, stridesOf, type Tensor } from '../tensor/index.ts'

/** Where a parameter's stored values lie in a checkpoint: a whole tensor, or a part of a fused one. */
export interface ParameterSource {
  /** The checkpoint tensor's name. */
  readonly tensor: string
  /** The part, for fused tensors: seen as `view`, the indices start..end-1 of `axis`. */
  readonly part?: { readonly view: Shape; readonly axis: number; readonly start: number; readonly end: number }
  /**
   * For layouts that no matrix product can read in place ([H, d, dh], where the summed axis lies between the others):
   * the tensor has `view`, and its axes are stored in the order `axes`.
   */
  readonly reordered?: { readonly view: Shape; readonly axes: readonly number[] }
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

/**
 * What is kept of a checkpoint tensor for one parameter: the whole array when it lies as it should, a view of it when the
 * part is contiguous, else a copy. `whole` is the tensor named by the source, row-major.
 */
export function storedValues({ source: { part, reordered } }: ParameterSpec, whole: Float32Array): Float32Array {
  if (reordered) return permute(whole, reordered.view, reordered.axes)
  if (!part) return whole
  const { view, axis, start, end } = part
  const inner = sizeOf(view.slice(axis + 1))
  const outer = sizeOf(view.slice(0, axis))
  const [from, to, stride] = [start * inner, end * inner, view[axis]! * inner]
  if (outer === 1) return whole.subarray(from, to)
  const values = new Float32Array(outer * (to - from))
  for (let i = 0; i < outer; i++) values.set(whole.subarray(i * stride + from, i * stride + to), i * (to - from))
  return values
}

/** Row-major values of shape `shape` with the axes in the order given. */
export function permute(values: Float32Array, shape: Shape, axes: readonly number[]): Float32Array {
  if (axes.every((axis, i) => axis === i)) return values
  const strides = stridesOf(shape)
  const sizes = axes.map((axis) => shape[axis]!)
  const steps = axes.map((axis) => strides[axis]!)
  const result = new Float32Array(values.length)
  const index = new Array<number>(axes.length).fill(0)
  let from = 0
  for (let to = 0; to < result.length; to++) {
    result[to] = values[from]!
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      from += steps[axis]!
      if (++index[axis]! < sizes[axis]!) break
      from -= steps[axis]! * sizes[axis]!
      index[axis] = 0
    }
  }
  return result
}

/** A parameter's values in its public shape, from its stored ones. */
export function publicValues(spec: ParameterSpec, stored: Float32Array): Float32Array {
  return permute(stored, storedShape(spec), spec.axes)
}
