import { throwIfAborted } from '../../errors/index.ts'
import type { Edit, Metric, Model, Prompt, Variant } from '../../lab/index.ts'
import type { MethodOptions } from './options.ts'
import type { Meter } from './result.ts'

/** A swept prompt. */
export interface Swept {
  readonly base: number
  /** One per variant; NaN for those that a cancelled sweep did not reach. */
  readonly values: readonly number[]
  readonly complete: boolean
}

/** A sweep on the way: what it has so far. */
export type OnSwept = (soFar: Swept) => void

/**
 * The metric of the base run (with the method's own edits) and of every variant on top of it. Cancelled, it keeps the
 * finished batches; throws the abort when there is none. `onSwept` gets the values so far, and makes batches smaller.
 */
export async function sweepKeepingDone(
  model: Model,
  prompt: Prompt,
  variants: readonly (readonly Edit[])[],
  metric: Metric,
  { edits = [], signal, onProgress, prependBos }: MethodOptions,
  meter: Meter,
  onSwept?: OnSwept,
): Promise<Swept> {
  const edited: Variant[] = variants.map((variant) => [...edits, ...variant])
  // The lab's base run has no edits: an edited base is a variant of its own, the first, which is always in the first batch.
  const rows = edits.length === 0 ? edited : [edits, ...edited]
  const own = ({ base, values }: Pick<Swept, 'base' | 'values'>, complete: boolean): Swept =>
    edits.length === 0 ? { base, values, complete } : { base: values[0]!, values: values.slice(1), complete }
  let counted = 0
  const count = (values: readonly number[]) => {
    const done = values.filter((value) => !Number.isNaN(value)).length
    meter.addVariants(done - counted, edits)
    counted = done
  }
  const onBatch =
    onSwept &&
    ((soFar: Pick<Swept, 'base' | 'values'>) => {
      count(soFar.values)
      onSwept(own(soFar, false))
    })
  const swept = await model.variants(prompt, rows, metric, { signal, onProgress, prependBos, onBatch })
  // A metric may itself be NaN.
  if (swept.complete) meter.addVariants(rows.length - counted, edits)
  else count(swept.values)
  return own(swept, swept.complete)
}

/** As `sweepKeepingDone`, for sweeps that are worth nothing in part: throws the abort when cancelled. */
export async function sweep(
  model: Model,
  prompt: Prompt,
  variants: readonly (readonly Edit[])[],
  metric: Metric,
  options: MethodOptions,
  meter: Meter,
): Promise<Swept> {
  const swept = await sweepKeepingDone(model, prompt, variants, metric, options, meter)
  if (!swept.complete) throwIfAborted(options.signal)
  return swept
}
