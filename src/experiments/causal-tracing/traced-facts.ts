import type { TracedPrompt } from '../../methods/index.ts'
import { randomSource } from '../../random/index.ts'
import { factPrompt, type Question, randomQuestion } from '../../train/tasks/facts/documents.ts'
import { type FactBase, factBase } from '../../train/tasks/facts/fact-base.ts'
import type { FactsConfig } from '../../train/tasks/facts.ts'

/** A fact to trace: its prompt, the same prompt about another subject, and the two answers. */
export interface TracedFact extends TracedPrompt {
  readonly clean: readonly number[]
  readonly corrupt: readonly number[]
  /** Positions of the first and the last name. */
  readonly subject: readonly [first: number, last: number]
  readonly answer: number
  /** The other subject's object; undefined where that is the answer, too. */
  readonly wrong: number | undefined
}

/** Facts drawn for tracing: by the training's seed, but from random numbers of their own. */
export function tracedFacts(config: FactsConfig, seed: number, count: number): TracedFact[] {
  const base = factBase(config, seed)
  return Array.from({ length: count }, (_, i) => {
    const random = randomSource(seed, 'traced', i)
    const question = randomQuestion(config, random)
    const candidates = base.subjects.flatMap((_, subject) =>
      replaces(config, base, question, subject) ? [subject] : [],
    )
    const other = candidates[random.integer(candidates.length)]!
    const [clean, corrupt] = [question, { ...question, subject: other }].map((one) => factPrompt(config, base, one))
    return {
      clean: clean!.tokens,
      corrupt: corrupt!.tokens,
      subject: clean!.subject,
      answer: clean!.answer,
      wrong: corrupt!.answer === clean!.answer ? undefined : corrupt!.answer,
    }
  })
}

/** Whether a subject shares neither name with the question's, and has another object where objects depend on the subject. */
function replaces(
  { dependsOn }: FactsConfig,
  { subjects, objectOf }: FactBase,
  { subject, relation }: Question,
  other: number,
): boolean {
  const [one, two] = [subjects[subject]!, subjects[other]!]
  if (one[0] === two[0] || one[1] === two[1]) return false
  return dependsOn === 'relation' || objectOf(subject, relation) !== objectOf(other, relation)
}
