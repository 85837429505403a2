import type { CompiledModel, CompiledQuestion } from './compiled-model.ts'
import type { Matrix } from './matrix.ts'
import type { Part } from './parts.ts'
import { referenceRun } from './reference.ts'
import { logitDifference, meanOf, partsOf } from './truth.ts'

/** The mean logit difference over questions of runs without some parts, while others are held at what they hold in the whole model. */
export type AblatedDifference = (without: readonly Part[], held?: readonly Part[]) => number

/** Ablates parts exactly, with their means over the questions (of one length), position by position. */
export function ablatedDifference(
  { circuit }: CompiledModel,
  questions: readonly CompiledQuestion[],
): AblatedDifference {
  const plain = questions.map(({ ids }) => referenceRun(circuit, ids))
  const means = new Map(partsOf(circuit).map((part) => [part, meanOf(plain.map((run) => run.held.get(part)!))]))
  return (without, held = []) => {
    const differences = questions.map((question, i) => {
      const set = new Map<Part, Matrix>([
        ...without.map((part) => [part, means.get(part)!] as const),
        ...held.map((part) => [part, plain[i]!.held.get(part)!] as const),
      ])
      return logitDifference(referenceRun(circuit, question.ids, { set }), question)
    })
    return differences.reduce((sum, x) => sum + x, 0) / differences.length
  }
}
