import type { CompiledModel, CompiledQuestion } from './compiled-model.ts'
import type { Matrix } from './matrix.ts'
import { type Part, parsePart } from './parts.ts'
import { type ReferenceRun, referenceRun } from './reference.ts'
import { logitDifference, partsOf, unmoved } from './truth.ts'

/** What exact interventions with a part's own values on other inputs do: per question, means over those inputs. */
export interface ResampledEffect {
  readonly part: Part
  /** The change of the logit difference when the part holds what it holds on another input. */
  readonly total: readonly number[]
  /** The same with all that other parts write held at what it was: what later parts do about it is left out. */
  readonly direct: readonly number[]
}

/**
 * Gives every head and MLP layer, on every question, the values that it has on each of the other inputs: what of the answer is
 * lost without the part's information, by enumeration and with no value that the model never has. Inputs have the questions' length.
 */
export function resampledEffects(
  { circuit }: CompiledModel,
  questions: readonly CompiledQuestion[],
  inputs: readonly (readonly number[])[],
): ResampledEffect[] {
  const plain = questions.map(({ ids }) => referenceRun(circuit, ids))
  const others = inputs.map((ids) => referenceRun(circuit, ids))
  return partsOf(circuit).map((part) => {
    // Inputs that the part cannot tell apart need one run.
    const values = new Map<string, { readonly held: ReferenceRun['held']; count: number }>()
    for (const { held } of others) {
      const key = held.get(part)!.data.join()
      const known = values.get(key)
      if (known) known.count++
      else values.set(key, { held, count: 1 })
    }
    const mean = (question: CompiledQuestion, base: ReferenceRun, kept: ReadonlyMap<Part, Matrix>) => {
      let sum = 0
      for (const { held, count } of values.values()) {
        const set = new Map([...kept, [part, held.get(part)!] as const])
        sum += count * logitDifference(referenceRun(circuit, question.ids, { set }), question)
      }
      return sum / inputs.length - logitDifference(base, question)
    }
    return {
      part,
      total: questions.map((question, i) => mean(question, plain[i]!, unmoved(plain[i]!, part))),
      direct: questions.map((question, i) => mean(question, plain[i]!, allParts(plain[i]!))),
    }
  })
}

/** What all heads and MLP layers hold. */
function allParts({ held }: ReferenceRun): Map<Part, Matrix> {
  const kept = new Map<Part, Matrix>()
  for (const [part, value] of held) if (part !== 'embed' && parsePart(part).kind !== 'neuron') kept.set(part, value)
  return kept
}
