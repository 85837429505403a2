import * as v from 'valibot'
import { ANSWER_METRICS, PATCH_BY, PATCH_WHATS } from '../../methods/index.ts'
import { headsField, layersField, named, neuronsField, positionsField } from '../fields.ts'
import { pairSchema } from '../prompt-schema.ts'

export const pairList = v.pipe(v.array(pairSchema), v.minLength(1))

/** Which cells are patched, in which direction, and what is measured. */
export const patchFields = {
  what: named(
    v.picklist(PATCH_WHATS),
    'Activation',
    "What is patched: the residual stream, what a layer wrote, a head's z, q, k, v or pattern, or MLP neurons.",
  ),
  by: v.optional(
    named(
      v.picklist(PATCH_BY),
      'One cell covers',
      'A position of a layer, a layer, a head, a head at a position, or a neuron; what suits the activation unless given.',
    ),
  ),
  direction: v.optional(
    named(
      v.picklist(['clean_into_corrupted', 'corrupted_into_clean']),
      'Direction',
      'Clean into corrupted (denoising) finds what is enough for the answer, corrupted into clean (noising) what it needs.',
    ),
  ),
  metric: v.optional(
    named(
      v.picklist(ANSWER_METRICS),
      'Metric',
      'What is measured at the end of the prompt; the logit difference where there is a wrong token, else the logit, unless given.',
    ),
  ),
  layers: layersField,
  positions: positionsField,
  heads: headsField,
  neurons: neuronsField,
}

/** `clean_into_corrupted` for people. */
export const spoken = (name: string): string => name.replaceAll('_', ' ')
