import * as v from 'valibot'
import { ABLATION_KINDS, COMPONENT_WHATS } from '../../methods/index.ts'
import { count, headsField, layersField, named, positionsField, promptList } from '../fields.ts'

/** What stands in the place of an ablated part. */
export const replacementFields = {
  kind: v.optional(
    named(
      v.picklist(ABLATION_KINDS),
      'Replaced by',
      'Zero, the mean over the reference (over all positions, or position by position), or its activation on other prompts (resample); the mean unless given.',
    ),
  ),
  reference: v.optional(
    named(
      promptList,
      'Reference',
      'Prompts that means and resampled activations come from; the prompt itself unless given.',
    ),
  ),
  draws: v.optional(
    named(
      count,
      'Draws',
      'From how many other prompts activations are resampled, one after the other; 3 unless given.',
    ),
  ),
  positions: positionsField,
}

/** Parts that are components of the residual stream's sum, and what stands in their place. */
export const componentAblationFields = {
  what: v.optional(
    named(
      v.picklist(COMPONENT_WHATS),
      'Part',
      'What is taken out: heads, MLP layers, or all of both; heads unless given.',
    ),
  ),
  ...replacementFields,
  layers: layersField,
  heads: headsField,
}
