import { DiopterError } from '../errors/index.ts'
import { constant, type Shape, sizeOf, Tensor, tensor } from '../tensor/index.ts'
import { type ArrayValue, type EditRegion, type ResolvedEdit, resolveIndices, type ValueEdit } from './edits.ts'
import { isAttentionHook, isHeadHook } from './hook-names.ts'

/** Makes the part of a mask along positions or keys: its way differs between a whole run and a decoding step. */
export interface PlaceMasks {
  readonly positions: (positions: readonly number[], axis: number) => Tensor
  readonly keys: (keys: readonly number[], axis: number) => Tensor
}

/**
 * Which elements of an activation an edit changes, as a mask that broadcasts over [n, P, ...] or [n, H, Q, K].
 * The mask's values are lifted, so the same edit elsewhere does not recompile. Undefined means everything.
 */
export function regionMask(region: EditRegion, hook: string, x: Tensor, places: PlaceMasks): Tensor | undefined {
  const attention = isAttentionHook(hook)
  const { positions, heads, neurons, keys } = region
  const fixed =
    (what: string) =>
    (indices: readonly number[], axis: number): Tensor =>
      axisMask(resolveIndices(indices, x.shape[axis]!, what, hook), axis, x.shape)
  const parts = [
    { indices: heads, axis: headAxisOf(hook, x.rank), what: 'heads', mask: fixed('head') },
    { indices: keys, axis: attention ? 3 : undefined, what: 'keys', mask: places.keys },
    { indices: neurons, axis: attention ? undefined : x.rank - 1, what: 'neurons', mask: fixed('index') },
    { indices: positions, axis: attention ? 2 : 1, what: 'positions', mask: places.positions },
  ]
  const masks = parts.flatMap(({ indices, axis, what, mask }) => {
    if (indices === undefined) return []
    if (axis === undefined) throw noSuchAxis(hook, what, x.shape)
    return [mask(indices, axis)]
  })
  return masks.length === 0 ? undefined : masks.reduce((a, b) => a.and(b))
}

/** The axis of a hook's tensor that counts heads, counted from the front. */
export function headAxisOf(hook: string, rank: number): number | undefined {
  if (isAttentionHook(hook)) return 1
  return isHeadHook(hook) ? rank - 2 : undefined
}

/** What is said to an edit that narrows an axis which its hook does not have. */
export function noSuchAxis(hook: string, what: string, shape: Shape): DiopterError {
  return new DiopterError(
    `The edit of ${hook} names ${what}, but that activation [${shape.join(', ')}] has no such axis.`,
  )
}

/** A bool tensor [1, .., n, .., 1] that is true at `indices` of `axis`. */
export function axisMask(indices: readonly number[], axis: number, shape: Shape): Tensor {
  const mask = new Uint8Array(shape[axis]!)
  for (const i of indices) mask[i] = 1
  return tensor(
    mask,
    shape.map((n, i) => (i === axis ? n : 1)),
    'bool',
  )
}

/** The activation after the edit; `values` gives the edit's arrays as they belong to the rows of x. */
export function applyResolved(
  edit: ResolvedEdit,
  hook: string,
  x: Tensor,
  mask: Tensor | undefined,
  values: (edit: ValueEdit) => Tensor,
): Tensor {
  const changed = change(edit, hook, x, values)
  return mask ? mask.where(changed, x) : changed.broadcast(...x.shape)
}

function change(edit: ResolvedEdit, hook: string, x: Tensor, values: (edit: ValueEdit) => Tensor): Tensor {
  switch (edit.kind) {
    case 'set':
      return values(edit)
    case 'add':
      return x.add(values(edit))
    case 'scale':
      return x.mul(edit.factor)
    case 'clamp':
      return x.clamp(edit.min, edit.max)
    case 'project_out': {
      const size = x.shape[x.rank - 1]!
      if (edit.direction.length !== size)
        throw new DiopterError(
          `project_out at ${hook}: the direction has ${edit.direction.length} entries, the activation's last axis has ${size}.`,
        )
      const direction = tensor(edit.direction, [size])
      const unit = direction.div(direction.square().sum().sqrt().maximum(constant(1e-30, x.dtype)))
      return x.sub(x.mul(unit).sum(-1, true).mul(unit))
    }
  }
}

/**
 * The values of an edit as one tensor that broadcasts to the activation [n, ...] of some prompts; one array for all, or one
 * for each prompt. Throws when they do not fit.
 */
export function stackValues(edit: ValueEdit, prompts: readonly number[], shape: Shape): Tensor {
  const { hook, values } = edit
  const rows = values.length === 1 ? values : prompts.map((prompt) => values[prompt]!)
  const full = shape.slice(1)
  for (const value of rows) {
    requireLength(edit, value, full[isAttentionHook(hook) ? 1 : 0]!)
    const offset = full.length - value.shape.length
    const fits = offset >= 0 && value.shape.every((n, i) => n === 1 || n === full[offset + i])
    if (!fits || sizeOf(value.shape) !== value.data.length) {
      throw new DiopterError(
        `The value given for ${hook} has shape [${value.shape.join(', ')}] and ${value.data.length} elements; it must broadcast to one prompt's activation [${full.join(', ')}].`,
      )
    }
  }
  const first = rows[0]!
  if (values.length === 1) return tensor(first.data, first.shape)
  const size = first.data.length
  const data = new Float32Array(rows.length * size)
  rows.forEach((row, i) => {
    data.set(row.data as Float32Array, i * size)
  })
  // [n, 1 .., ...]: the axes that the values lack are broadcast
  const missing = full.length - first.shape.length
  return tensor(data, [rows.length, ...new Array<number>(missing).fill(1), ...first.shape])
}

/** Throws when values that stand for the positions of a prompt come from one of another length. */
export function requireLength({ hook, byPosition }: ValueEdit, { shape }: ArrayValue, length: number): void {
  const own = shape[isAttentionHook(hook) ? 1 : 0]
  if (byPosition && own !== length)
    throw new DiopterError(
      `The values for ${hook} come from a prompt of ${own} tokens and are put into one of ${length}; give prompts of the same length.`,
    )
}

/** What a traced edit returned, checked to be of the activation's shape. */
export function checkEdited(result: unknown, x: Tensor, hook: string): Tensor {
  if (!(result instanceof Tensor))
    throw new DiopterError(
      `The edit of ${hook} returned no tensor; return the changed activation (\`x.at(...)\` methods return all of it).`,
    )
  if (result.dtype !== x.dtype || result.rank !== x.rank || result.shape.some((n, i) => n !== x.shape[i])) {
    throw new DiopterError(
      `The edit of ${hook} returned ${result.dtype} [${result.shape.join(', ')}]; the activation is ${x.dtype} [${x.shape.join(', ')}]. To read a part use x.get(...), to change a part x.at(...).`,
    )
  }
  return result
}
