import { DiopterError } from '../errors/index.ts'
import { constant, type Shape, sizeOf, Tensor, tensor } from '../tensor/index.ts'
import { type ArrayValue, type EditRegion, type ResolvedEdit, resolveIndices } from './edits.ts'
import { isAttentionHook, isHeadHook } from './hook-names.ts'

/**
 * Which elements of an activation an edit changes, as a mask that broadcasts over [n, P, ...] or [n, H, Q, K].
 * `positionMask` makes the part along the positions (its way differs between a whole run and a decoding step);
 * the mask's values are lifted, so the same edit elsewhere does not recompile. Undefined means everything.
 */
export function regionMask(
  region: EditRegion,
  hook: string,
  x: Tensor,
  positionMask: (positions: readonly number[], axis: number) => Tensor,
): Tensor | undefined {
  const attention = isAttentionHook(hook)
  const rank = x.rank
  const headAxis = attention ? 1 : isHeadHook(hook) ? rank - 2 : undefined
  const axes: { axis: number; indices: readonly number[] | undefined; what: string }[] = [
    { axis: headAxis ?? -1, indices: region.heads, what: 'head' },
    { axis: attention ? 3 : -1, indices: region.keys, what: 'key position' },
    { axis: attention ? -1 : rank - 1, indices: region.neurons, what: 'index' },
  ]
  const masks: Tensor[] = []
  for (const { axis, indices, what } of axes) {
    if (indices === undefined) continue
    if (axis < 0)
      throw new DiopterError(
        `The edit of ${hook} names ${what}s, but that activation [${x.shape.join(', ')}] has no such axis.`,
      )
    masks.push(axisMask(resolveIndices(indices, x.shape[axis]!, what, hook), axis, x.shape))
  }
  if (region.positions !== undefined) masks.push(positionMask(region.positions, attention ? 2 : 1))
  return masks.length === 0 ? undefined : masks.reduce((a, b) => a.and(b))
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

/** The activation after the edit; `values` picks the edit's arrays for the rows of x. */
export function applyResolved(
  edit: ResolvedEdit,
  hook: string,
  x: Tensor,
  mask: Tensor | undefined,
  values: (arrays: readonly ArrayValue[]) => Tensor,
): Tensor {
  const changed = change(edit, hook, x, values)
  return mask ? mask.where(changed, x) : changed.broadcast(...x.shape)
}

function change(
  edit: ResolvedEdit,
  hook: string,
  x: Tensor,
  values: (arrays: readonly ArrayValue[]) => Tensor,
): Tensor {
  switch (edit.kind) {
    case 'set':
      return values(edit.values)
    case 'add':
      return x.add(values(edit.values))
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

/** The values of an edit as one tensor that broadcasts to the rows' activation; one array for all rows, or one per row. */
export function stackValues(
  arrays: readonly ArrayValue[],
  prompts: readonly number[],
  hook: string,
  shape: Shape,
): Tensor {
  const fit = (value: ArrayValue): void => {
    const full = shape.slice(1)
    const offset = full.length - value.shape.length
    const fits = offset >= 0 && value.shape.every((n, i) => n === 1 || n === full[offset + i])
    if (!fits || sizeOf(value.shape) !== value.data.length) {
      throw new DiopterError(
        `The value given for ${hook} has shape [${value.shape.join(', ')}]; it must broadcast to one prompt's activation [${full.join(', ')}].`,
      )
    }
  }
  arrays.forEach(fit)
  if (arrays.length === 1) return tensor(arrays[0]!.data, arrays[0]!.shape)
  const rows = prompts.map((prompt) => arrays[prompt]!)
  const size = rows[0]!.data.length
  const data = new Float32Array(rows.length * size)
  rows.forEach((row, i) => {
    data.set(row.data as Float32Array, i * size)
  })
  // [n, 1 .., ...]: the axes that the values lack are broadcast
  const missing = shape.length - 1 - rows[0]!.shape.length
  return tensor(data, [rows.length, ...new Array<number>(missing).fill(1), ...rows[0]!.shape])
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
