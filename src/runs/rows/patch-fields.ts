import * as v from 'valibot'
import { ANSWER_METRICS, PATCH_BY, PATCH_WHATS } from '../../methods/index.ts'
import { indices } from '../fields.ts'
import { pairSchema } from '../prompt-schema.ts'

export const pairList = v.pipe(v.array(pairSchema), v.minLength(1))

/** Which cells are patched, in which direction, and what is measured. */
export const patchFields = {
  what: v.picklist(PATCH_WHATS),
  by: v.optional(v.picklist(PATCH_BY)),
  direction: v.optional(v.picklist(['clean_into_corrupted', 'corrupted_into_clean'])),
  metric: v.optional(v.picklist(ANSWER_METRICS)),
  layers: v.optional(indices),
  positions: v.optional(indices),
  heads: v.optional(indices),
  neurons: v.optional(indices),
}

/** `clean_into_corrupted` for people. */
export const spoken = (name: string): string => name.replaceAll('_', ' ')
