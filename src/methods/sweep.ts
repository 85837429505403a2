import type { Edit, Metric, Model, Prompt, Variant } from '../lab/index.ts'
import type { MethodOptions } from './options.ts'
import type { Meter } from './result.ts'

/** The metric of the base run (with the method's own edits) and of every variant on top of it. */
export async function sweep(
  model: Model,
  prompt: Prompt,
  variants: readonly (readonly Edit[])[],
  metric: Metric,
  { edits = [], signal, onProgress, prependBos }: MethodOptions,
  meter: Meter,
): Promise<{ readonly base: number; readonly values: readonly number[] }> {
  const edited: Variant[] = variants.map((variant) => [...edits, ...variant])
  // The lab's base run has no edits: an edited base is a variant of its own.
  const rows = edits.length === 0 ? edited : [edits, ...edited]
  const { base, values } = await model.variants(prompt, rows, metric, { signal, onProgress, prependBos })
  meter.variants += rows.length
  return edits.length === 0 ? { base, values } : { base: values[0]!, values: values.slice(1) }
}
