import type { Edit, Metric, Model } from '../../lab/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { mean, standardDeviation } from '../shared/statistics.ts'
import { type Swept, sweepKeepingDone } from '../shared/sweep.ts'

/** A sweep with one or several draws per part. */
export interface DrawnSweep extends Swept {
  /** The standard deviation over draws; null where there is one draw only. NaN where a cancelled sweep did not come. */
  readonly spread: readonly number[] | null
}

/** Sweeps over parts, each with as many draws: values are means over draws, and NaN until all draws of a part are done. */
export async function sweepDraws(
  model: Model,
  ids: readonly number[],
  parts: readonly (readonly Edit[])[],
  metric: Metric,
  options: MethodOptions,
  meter: Meter,
  onSwept: ((soFar: DrawnSweep) => void) | undefined,
): Promise<DrawnSweep> {
  const draws = parts[0]?.length ?? 1
  const drawn = ({ base, values, complete }: Swept): DrawnSweep => {
    const rows = parts.map((_, i) => values.slice(i * draws, (i + 1) * draws))
    return {
      base,
      complete,
      values: rows.map(mean),
      spread: draws === 1 ? null : rows.map(standardDeviation),
    }
  }
  const variants = parts.flatMap((part) => part.map((edit) => [edit]))
  const follow = onSwept && ((soFar: Swept) => onSwept(drawn(soFar)))
  return drawn(await sweepKeepingDone(model, ids, variants, metric, options, meter, follow))
}
