import type { AblatePairsValues, SelfRepairValues } from '../../methods/index.ts'
import { ablatedDifference, type CompiledModel, MATTERS_FROM, type Part, partsOf } from '../../models/compiled/index.ts'
import type { MethodClaims } from './claims.ts'
import { claimsFrom } from './pair-claims.ts'
import { askedQuestions, questionPrompts } from './question-claims.ts'

// What methods claim that ablate parts and look at the others: self-repair and pairs of ablations.

/** Questions, how parts are ablated on them, and the exact logit differences without parts. */
function asked(compiled: CompiledModel) {
  const questions = askedQuestions(compiled)
  return {
    prompts: questionPrompts(questions),
    parameters: { what: 'all', kind: 'position_mean', reference: questions.map(({ ids }) => [...ids]) },
    parts: partsOf(compiled.circuit),
    difference: ablatedDifference(compiled, questions),
  }
}

/** What self-repair claims. */
export const selfRepairClaims: MethodClaims<SelfRepairValues> = {
  claims: `parts that, without another part, write ${100 * MATTERS_FROM} % of the logit difference more or less than before, by how much`,
  truth:
    'parts whose change matters that much when another part is missing: exactly, by running without it once more with this one held as it was',
  watchedBy: [
    'changes and rescaling add up to the total effect',
    'the largest total effect, run by itself',
    'the repair holds beyond one question',
  ],
  runs(compiled) {
    const { parts, difference, ...run } = asked(compiled)
    const base = difference([])
    const truth = parts.flatMap((lost) => {
      const without = difference([lost])
      const others = parts.filter((part) => part !== lost)
      return others.map((by) => [nameOf(by, lost), (without - difference([lost], [by])) / base] as const)
    })
    return [
      {
        ...run,
        truth: claimsFrom(truth),
        read: (values) =>
          claimsFrom(
            values.parts.flatMap((lost, row) =>
              values.components.flatMap((by, column) => {
                const change = (values.changes[row] as readonly (number | null)[])[column]!
                const isOther = by !== lost && parts.includes(by as Part)
                return isOther ? [[nameOf(by, lost), change === null ? null : change / values.base] as const] : []
              }),
            ),
          ),
      },
    ]
  },
}

const nameOf = (by: string, lost: string) => `${by} without ${lost}`

/** What pairs of ablations claim. */
export const ablatePairsClaims: MethodClaims<AblatePairsValues> = {
  claims: `pairs of parts whose joint effect differs from the sum of both by ${100 * MATTERS_FROM} % of the logit difference or more, by how much`,
  truth: 'the same of every pair, exactly',
  watchedBy: ['the parts that were not paired matter little', 'the interactions hold beyond one question'],
  runs(compiled) {
    const { parts, difference, ...run } = asked(compiled)
    const base = difference([])
    const alone = new Map(parts.map((part) => [part, difference([part]) - base]))
    const truth = parts.flatMap((a, i) =>
      parts.slice(i + 1).map((b) => {
        const interaction = difference([a, b]) - base - alone.get(a)! - alone.get(b)!
        return [`${a} and ${b}`, interaction / base] as const
      }),
    )
    return [
      {
        ...run,
        truth: claimsFrom(truth),
        read: ({ parts: paired, interaction, base: measured }) =>
          claimsFrom(
            paired.flatMap(({ part: a }, i) =>
              paired.slice(i + 1).map(({ part: b }, j) => {
                const value = (interaction[i] as readonly (number | null)[])[i + 1 + j]!
                return [`${a} and ${b}`, value === null ? null : value / measured] as const
              }),
            ),
          ),
      },
    ]
  },
}
