import * as v from 'valibot'
import type { Edit } from '../lab/index.ts'
import { promptSchema } from './prompt-schema.ts'

const indices = v.pipe(v.array(v.pipe(v.number(), v.integer())), v.minLength(1))
const finite = v.pipe(v.number(), v.finite())
const vector = v.pipe(v.array(finite), v.minLength(1))

/** What an edit changes; see `EditRegion`. */
const region = {
  hook: v.pipe(v.string(), v.nonEmpty()),
  positions: v.optional(indices),
  heads: v.optional(indices),
  neurons: v.optional(indices),
  keys: v.optional(indices),
}

/** One number, one per feature, or values with a shape that fill it. */
const valueSchema = v.union([
  finite,
  vector,
  v.pipe(
    v.strictObject({ shape: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), data: v.array(finite) }),
    v.check(
      ({ shape, data }) => shape.reduce((product, n) => product * n, 1) === data.length,
      'the data must fill the shape',
    ),
  ),
])

/** A declarative edit as JSON; see `Edit`. */
export const editSchema = v.variant('kind', [
  v.strictObject({ ...region, kind: v.literal('zero') }),
  v.strictObject({
    ...region,
    kind: v.literal('mean'),
    prompts: v.optional(v.pipe(v.array(promptSchema), v.minLength(1))),
    per: v.optional(v.picklist(['all', 'position'])),
  }),
  v.strictObject({
    ...region,
    kind: v.literal('resample'),
    from: v.union([promptSchema, v.pipe(v.array(v.string()), v.minLength(1))]),
  }),
  v.strictObject({ ...region, kind: v.literal('replace'), value: valueSchema }),
  v.strictObject({ ...region, kind: v.literal('add'), value: valueSchema, factor: v.optional(finite) }),
  v.strictObject({ ...region, kind: v.literal('scale'), factor: finite }),
  v.strictObject({ ...region, kind: v.literal('project_out'), direction: vector }),
  v.strictObject({ ...region, kind: v.literal('clamp'), min: v.optional(finite), max: v.optional(finite) }),
  v.strictObject({ ...region, kind: v.literal('freeze') }),
])

/** An edit as a spec holds it; see `editSchema`. */
export type EditJson = v.InferOutput<typeof editSchema>

/** The edit as the lab takes it: JSON's values become typed arrays. */
export function toEdit(edit: EditJson): Edit {
  if ((edit.kind !== 'replace' && edit.kind !== 'add') || typeof edit.value === 'number' || Array.isArray(edit.value))
    return edit as Edit
  return { ...edit, value: { shape: edit.value.shape, data: Float32Array.from(edit.value.data) } }
}
