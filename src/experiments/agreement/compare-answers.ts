import { rankCorrelation } from '../../methods/shared/statistics.ts'
import type { FourAnswers } from './four-answers.ts'

/** Prefix matching from which a head is an induction head by its attention. */
const MATCHES = 0.3

/** Where the four ways meet, as numbers that bars read: 1 for yes. */
export function compareAnswers(answers: FourAnswers): Record<string, number> {
  const { prefixMatching, previousToken, ablated, toLogits, intoKeys, composition, inUse } = answers
  const isInduction = (head: number) => prefixMatching[head]! >= MATCHES
  const scalars: Record<string, number> = {
    bestPrefixMatching: Math.max(...prefixMatching),
    inductionHeads: prefixMatching.filter((_, head) => isInduction(head)).length,
    ablationNamesInduction: Number(isInduction(largest(ablated))),
    pathsNameInduction: Number(isInduction(largest(toLogits))),
    attentionWithAblation: rankCorrelation(prefixMatching, ablated),
    attentionWithPaths: rankCorrelation(prefixMatching, toLogits),
    ablationWithPaths: rankCorrelation(ablated, toLogits),
    // how much of the answer goes with the heads that attention names, one by one
    ablatedByInduction: sumOver(ablated, isInduction),
    ablatedByOthers: sumOver(ablated, (head) => !isInduction(head)),
  }
  if (intoKeys.length === 0) return scalars
  const previous = largest(previousToken)
  const names = { path: intoKeys, composition, use: inUse }
  for (const [name, grid] of Object.entries(names)) {
    const [from, to] = largestPair(grid)
    scalars[`${name}Edge`] = Number(from === previous && isInduction(to))
  }
  return {
    ...scalars,
    largestComposition: Math.max(...composition.flat()),
    pathWithComposition: rankCorrelation(intoKeys.flat(), composition.flat()),
    pathWithUse: rankCorrelation(intoKeys.flat(), inUse.flat()),
  }
}

const largest = (values: readonly number[]) => values.indexOf(Math.max(...values))

const sumOver = (values: readonly number[], is: (index: number) => boolean) =>
  values.reduce((sum, x, i) => sum + (is(i) ? x : 0), 0)

function largestPair(grid: readonly (readonly number[])[]): [number, number] {
  const from = largest(grid.map((row) => Math.max(...row)))
  return [from, largest(grid[from]!)]
}
