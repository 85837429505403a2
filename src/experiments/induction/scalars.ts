import type { Curve } from '../../train/index.ts'
import type { InductionTables } from './measure.ts'
import type { Formation } from './over-training.ts'

/** What the log says, at the end of training and about when heads formed; `steps` is the length of training. */
export function trainingScalars(
  curves: Readonly<Record<string, Curve>>,
  { start, end, inContextHalf }: Formation,
  steps: number,
): Record<string, number> {
  const last = (name: string) => curves[name]!.values.at(-1)!
  const isWithin = inContextHalf >= start && inContextHalf <= end
  return {
    ...{ textLoss: last('textLoss'), inContext: last('inContext') },
    ...{ firstCopyLoss: last('firstCopy'), secondCopyLoss: last('secondCopy') },
    repeatedLossRatio: last('secondCopy') / last('firstCopy'),
    secondCopyAccuracy: last('secondCopyAccuracy'),
    ...{ bestPrefix: last('bestPrefix'), bestPreviousToken: last('bestPreviousToken') },
    bestPrefixEver: Math.max(...curves.bestPrefix!.values),
    ...{ riseStart: start, riseEnd: end, riseShare: (end - start) / steps },
    inContextHalfAt: inContextHalf,
    inContextHalfWithinRise: isWithin ? 1 : 0,
  }
}

/** How many heads the circuit has, and what ablating them takes away; NaN for what was not ablated. */
export function ablationScalars({ circuit, ablation }: InductionTables): Record<string, number> {
  const others = ablation?.others ?? []
  return {
    ...{
      inductionHeads: circuit.induction.length,
      previousTokenHeads: circuit.previousToken.length,
      twoBackHeads: circuit.twoBack.length,
    },
    inductionAblated: ablation?.induction ?? Number.NaN,
    othersAblated: meanOf(others),
    othersAblatedWorst: others.length === 0 ? Number.NaN : Math.max(...others),
    othersButTwoBackAblated: meanOf(ablation?.othersButTwoBack ?? []),
    twoBackAblated: ablation?.twoBack ?? Number.NaN,
    previousTokenAblated: ablation?.previousToken ?? Number.NaN,
    previousTokenAblatedPatternsKept: ablation?.previousTokenPatternsKept ?? Number.NaN,
  }
}

/** How many phase changes each curve has, and where the largest of the in-context-learning score lies. */
export function changeScalars(changes: InductionTables['changes']): Record<string, number> {
  const [largest] = changes.inContext!.changes.toSorted((a, b) => b.effect.share - a.effect.share)
  const [from, to] = largest?.interval ?? [Number.NaN, Number.NaN]
  return {
    ...Object.fromEntries(Object.entries(changes).map(([name, found]) => [`${name}Changes`, found.changes.length])),
    inContextChangeFrom: from,
    inContextChangeTo: to,
  }
}

/** NaN for none. */
function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
