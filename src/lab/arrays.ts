import { type DType, type Shape, sizeOf, type TypedArray } from '../tensor/index.ts'

/** A computed array with the names of its axes. */
export interface NamedArray {
  readonly name: string
  /** For example ['batch', 'position', 'd_model']. */
  readonly axes: readonly string[]
  readonly shape: Shape
  readonly dtype: DType
  readonly data: TypedArray
}

/**
 * An activation of a batch of prompts with logical positions: [batch, position, ...] or [batch, head, query, key].
 * When the prompts have different lengths, what lies beyond a prompt's own length is NaN.
 */
export interface Activation extends NamedArray {
  /** Tokens of each prompt. */
  readonly lengths: readonly number[]
  /** Keys of each prompt, where these are more than its tokens here: attention hooks of decoding steps. */
  readonly keyLengths?: readonly number[]
}

/** One prompt's own part of an activation: [position, ...] or [head, query, key], without padding. */
export function ofPrompt(
  activation: Activation,
  prompt: number,
): { readonly shape: number[]; readonly data: TypedArray } {
  const known = parts.get(activation)?.get(prompt)
  if (known) return known
  const part = cutPrompt(activation, prompt)
  parts.set(activation, (parts.get(activation) ?? new Map()).set(prompt, part))
  return part
}

/** Cut once: the same part is the same array, so that many edits that use it share it. */
const parts = new WeakMap<Activation, Map<number, { shape: number[]; data: TypedArray }>>()

function cutPrompt(activation: Activation, prompt: number): { shape: number[]; data: TypedArray } {
  const { shape, data, lengths, keyLengths = lengths, axes } = activation
  const sizes: Record<string, number> = {
    position: lengths[prompt]!,
    query: lengths[prompt]!,
    key: keyLengths[prompt]!,
  }
  const trimmed = shape.slice(1).map((n, i) => sizes[axes[i + 1]!] ?? n)
  const size = sizeOf(shape.slice(1))
  const row = data.subarray(prompt * size, (prompt + 1) * size) as TypedArray
  return { shape: trimmed, data: takeLeading(row, shape.slice(1), trimmed) }
}

/** The leading part of every axis. */
function takeLeading(data: TypedArray, shape: Shape, wanted: Shape): TypedArray {
  if (sizeOf(shape) === sizeOf(wanted)) return data
  return copyBox(
    data,
    shape,
    shape.map(() => 0),
    wanted,
  )
}

/** Copies the box of `size` at `origin` out of a row-major array. */
export function copyBox(data: TypedArray, shape: Shape, origin: Shape, size: Shape): TypedArray {
  const result = data.slice(0, sizeOf(size)) as TypedArray
  const run = size[size.length - 1] ?? 1
  const rows = sizeOf(size) / (run || 1)
  const index = new Array<number>(Math.max(0, size.length - 1)).fill(0)
  for (let row = 0; row < rows; row++) {
    let from = 0
    for (let axis = 0; axis < size.length; axis++) from = from * shape[axis]! + origin[axis]! + (index[axis] ?? 0)
    result.set(data.subarray(from, from + run) as never, row * run)
    for (let axis = index.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < size[axis]!) break
      index[axis] = 0
    }
  }
  return result
}
