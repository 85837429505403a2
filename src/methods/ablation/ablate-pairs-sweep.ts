import type { Edit, Model } from '../../lab/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import { type Swept, sweepKeepingDone } from '../shared/sweep.ts'
import type { AblationKind, Part } from './ablation-parts.ts'
import type { Repairs } from './self-repair-runs.ts'

/** Changes of the metric of one question; null where a cancelled sweep did not come. */
export interface PairSweep {
  readonly base: number
  readonly alone: readonly (number | null)[]
  /** In the order of `pairIndices`. */
  readonly joint: readonly (number | null)[]
  /** Without all other parts; null where there are none, too. */
  readonly rest: number | null
  readonly complete: boolean
}

/** The pairs (a, b), a < b, of `count` parts, row by row. */
export function pairIndices(count: number): [number, number][] {
  return Array.from({ length: count }, (_, a) =>
    Array.from({ length: count - a - 1 }, (_, i): [number, number] => [a, a + 1 + i]),
  ).flat()
}

/** Ablates parts alone, in pairs, and all others at once: one sweep. */
export async function sweepPairs(
  model: Model,
  { question, source }: Repairs,
  parts: readonly Part[],
  others: readonly Part[],
  kind: AblationKind,
  options: MethodOptions,
  meter: Meter,
  onSwept?: (soFar: PairSweep) => void,
): Promise<PairSweep> {
  const sets = [
    ...parts.map((part) => [part]),
    ...pairIndices(parts.length).map(([a, b]) => [parts[a]!, parts[b]!]),
    ...(others.length > 0 ? [others] : []),
  ]
  const draws = kind === 'resample' ? source.resampled.length : 1
  const variants = sets.flatMap((set) =>
    Array.from({ length: draws }, (_, draw): Edit[] => set.map((part) => source.draws(part, kind)[draw]!)),
  )
  const sweepOf = ({ base, values, complete }: Swept): PairSweep => {
    const changes = sets.map((_, i) => {
      const change = mean(values.slice(i * draws, (i + 1) * draws)) - base
      return Number.isNaN(change) ? null : change
    })
    const pairs = changes.slice(parts.length, others.length > 0 ? -1 : undefined)
    return {
      base,
      alone: changes.slice(0, parts.length),
      joint: pairs,
      rest: others.length > 0 ? changes.at(-1)! : null,
      complete,
    }
  }
  const follow = onSwept && ((swept: Swept) => onSwept(sweepOf(swept)))
  return sweepOf(await sweepKeepingDone(model, question.prompt.ids, variants, question.metric, options, meter, follow))
}
