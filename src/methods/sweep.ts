import { throwIfAborted } from '../errors/index.ts'
import type { Edit, Metric, Model, Prompt, Variant } from '../lab/index.ts'
import type { MethodOptions } from './options.ts'
import type { Meter } from './result.ts'

/** A swept prompt. */
export interface Swept {
  readonly base: number
  /** One per variant; NaN for those that a cancelled sweep did not reach. */
  readonly values: readonly number[]
  readonly complete: boolean
}

/**
 * The metric of the base run (with the method's own edits) and of every variant on top of it. Cancelled, it keeps the
 * finished batches; throws the abort when the base run is not among them.
 */
export async function sweepKeepingDone(
  model: Model,
  prompt: Prompt,
  variants: readonly (readonly Edit[])[],
  metric: Metric,
  { edits = [], signal, onProgress, prependBos }: MethodOptions,
  meter: Meter,
): Promise<Swept> {
  const edited: Variant[] = variants.map((variant) => [...edits, ...variant])
  // The lab's base run has no edits: an edited base is a variant of its own.
  const rows = edits.length === 0 ? edited : [edits, ...edited]
  const { base, values, complete } = await model.variants(prompt, rows, metric, { signal, onProgress, prependBos })
  meter.addVariants(complete ? rows.length : values.filter((value) => !Number.isNaN(value)).length, edits)
  if (edits.length === 0) return { base, values, complete }
  if (!complete && Number.isNaN(values[0]!)) throwIfAborted(signal)
  return { base: values[0]!, values: values.slice(1), complete }
}

/** As `sweepKeepingDone`, for sweeps that are worth nothing in part: throws the abort when cancelled. */
export async function sweep(...given: Parameters<typeof sweepKeepingDone>): Promise<Swept> {
  const swept = await sweepKeepingDone(...given)
  if (!swept.complete) throwIfAborted(given[4].signal)
  return swept
}
