import type { AblationValues } from '../../methods/index.ts'
import { type CompiledModel, referenceRun, resampledEffects, trueLogitDifference } from '../../models/compiled/index.ts'
import { askedQuestions, type MethodClaims, questionPrompts, type TruthRun } from '../../runs/index.ts'

/** Inputs that a head's values come from: all of them, where there are no more. */
const INPUTS = 64

/**
 * What zero and mean ablation claim of heads: the share of the answer that each is worth. True is what is lost when the head holds
 * what it holds on other inputs, over all of them; or, where that is more, what is lost so with all other parts held at what they did:
 * a head whose loss others make up for is needed all the same while it is there.
 */
export const ablationWorth: MethodClaims<AblationValues> = {
  claims: 'every head, with the share of the logit difference that goes when it is ablated, to zero or to its mean',
  truth:
    'every head, with the share that goes when it holds what it holds on other inputs, by enumeration; or, where that is more, with the other parts held at what they did',
  runs(compiled) {
    const truth = worths(compiled)
    const questions = askedQuestions(compiled)
    return (['zero', 'mean'] as const).map(
      (kind): TruthRun<AblationValues> => ({
        prompts: questionPrompts(questions),
        parameters: { what: 'head', kind, reference: questions.map(({ ids }) => [...ids]) },
        truth,
        read: ({ base, effect }) =>
          (effect as readonly (readonly number[])[]).flatMap((row, l) =>
            row.map((change, h) => ({ name: `L${l}H${h}`, share: -change / base })),
          ),
      }),
    )
  },
}

function worths(compiled: CompiledModel) {
  const questions = askedQuestions(compiled)
  const whole = mean(
    questions.map((question) => trueLogitDifference(referenceRun(compiled.circuit, question.ids), question)),
  )
  return resampledEffects(compiled, questions, compiled.inputs(INPUTS)).flatMap(({ part, total, direct }) => {
    if (!part.includes('H')) return []
    const [all, own] = [total, direct].map((changes) => -mean(changes) / whole) as [number, number]
    return [{ name: part, share: Math.abs(own) > Math.abs(all) ? own : all }]
  })
}

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
