import type { AblationValues, AttributionValues } from '../../methods/index.ts'
import {
  type CompiledModel,
  changesAnswer,
  MATTERS_FROM,
  referenceRun,
  trueEffects,
  trueLogitDifference,
} from '../../models/compiled/index.ts'
import { permutation, randomSource } from '../../random/index.ts'
import { type Claim, type MethodClaims, meanOf, type TruthRun } from './claims.ts'
import { byCorruption, claimsFrom } from './pair-claims.ts'

// What methods on questions claim: direct logit attribution and ablation.

/** Questions that a method is given at once. */
const QUESTIONS = 12

/** Some of the questions that a compiled model answers, in a random order. */
export function askedQuestions(
  { questions, answer, seed }: CompiledModel,
  count = QUESTIONS,
): CompiledModel['questions'] {
  const decided = questions.filter(({ ids }) => answer(ids) !== null)
  const order = permutation(decided.length, randomSource(seed, 'asked'))
  return Array.from(order.subarray(0, count), (i) => decided[i]!)
}

/** Questions as a spec has them. */
export const questionPrompts = (questions: CompiledModel['questions']) =>
  questions.map(({ ids, answer, wrong }) => ({ prompt: [...ids], answer, wrong }))

/** What direct logit attribution claims. */
export const attributeClaims: MethodClaims<AttributionValues> = {
  claims: `heads and MLP layers that write ${100 * MATTERS_FROM} % of the logit difference or more`,
  truth: `heads and MLP layers without which (their output 0, exactly) the logit difference changes by ${100 * MATTERS_FROM} % or more, by how much it falls`,
  runs(compiled) {
    const questions = askedQuestions(compiled)
    const whole = meanOf(
      questions.map((question) => trueLogitDifference(referenceRun(compiled.circuit, question.ids), question)),
    )
    const effects = trueEffects({ ...compiled, questions, pairs: [] })
    const truth = claimsFrom(effects.map(({ part, zero }) => [part, -meanOf(zero) / whole] as const))
    const run: TruthRun<AttributionValues> = {
      prompts: questionPrompts(questions),
      parameters: { by: 'full' },
      truth,
      read: ({ labels, values, total }) =>
        claimsFrom(
          labels.flatMap((label, i) => {
            const part = /^L\d+H\d+$/.test(label) ? label : label.replace(/^(\d+)_mlp_out$/, 'L$1MLP')
            return part.startsWith('L') ? [[part, values[i]! / total] as const] : []
          }),
        ),
    }
    return [run]
  },
}

/** What ablation claims. */
export const ablationClaims: MethodClaims<AblationValues> = {
  claims: `heads and MLP layers whose ablation changes the logit difference by ${100 * MATTERS_FROM} % or more`,
  truth: 'heads and MLP layers that change the answer of some pair when patched alone, in either direction, exactly',
  runs(compiled) {
    const questions = askedQuestions(compiled)
    const parts = new Set<string>(
      byCorruption(compiled).flatMap((group) =>
        trueEffects({ ...group, questions: questions.slice(0, 1) })
          .filter(changesAnswer)
          .map(({ part }) => part),
      ),
    )
    const truth = (isHead: boolean): Claim[] =>
      [...parts].filter((part) => part.includes('H') === isHead).map((name) => ({ name, share: null }))
    const run = (what: 'head' | 'mlp'): TruthRun<AblationValues> => ({
      prompts: questionPrompts(questions),
      parameters: { what, reference: questions.map(({ ids }) => [...ids]) },
      truth: truth(what === 'head'),
      read: ({ base, effect }) =>
        claimsFrom(
          effect.flatMap((row, l) => {
            const cells = Array.isArray(row) ? (row as readonly (number | null)[]) : [row as number | null]
            return cells.map(
              (x, h) => [what === 'head' ? `L${l}H${h}` : `L${l}MLP`, x === null ? null : x / base] as const,
            )
          }),
        ).map(({ name }) => ({ name, share: null })),
    })
    return compiled.config.attn_only ? [run('head')] : [run('head'), run('mlp')]
  },
}
