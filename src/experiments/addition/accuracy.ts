import type { WorkOptions } from '../../errors/index.ts'
import { randomSource } from '../../random/index.ts'
import {
  type Question,
  questionCategories,
  questionOfCategory,
  randomQuestion,
} from '../../train/tasks/addition/categories.ts'
import { type Adder, accuracyOf, meanLoss, scoreAnswers } from './adder.ts'
import { enumeratedCascades } from './enumerated-cascades.ts'

/** How many questions right, by kind. */
export interface Accuracies {
  /** Of random questions: the share right, and the mean loss of an answer token in nats. */
  readonly random: number
  readonly randomLoss: number
  /** Of enumerated questions, by start and number of nines. */
  readonly cascades: readonly { readonly start: number; readonly nines: number; readonly accuracy: number }[]
  /** The share right of questions without any carry, and of those whose carries pass through no 9. */
  readonly baseAdd: number
  readonly useCarry: number
}

/** How many questions accuracies are measured on. */
export interface AccuracyCounts {
  readonly random: number
  /** For each start and number of nines, and for each of the two simple categories. */
  readonly perCascade: number
}

/** Random questions from a stream that no training and no held-out evaluation uses. */
export function testQuestions(digits: number, count: number, purpose: string): Question[] {
  const random = randomSource(0, 'test questions', purpose)
  return Array.from({ length: count }, () => randomQuestion(digits, random))
}

/** Questions of one category, likewise. */
export function testQuestionsOf(digits: number, category: string, count: number): Question[] {
  const random = randomSource(0, 'test questions', 'category', category)
  return Array.from({ length: count }, () => questionOfCategory(digits, category, random))
}

/** Measures an adder on random questions, and on enumerated ones of every chain of carries. */
export async function measureAccuracies(
  adder: Adder,
  counts: AccuracyCounts,
  options: WorkOptions = {},
): Promise<Accuracies> {
  const { digits } = adder.config
  const shareRight = async (questions: readonly Question[]) => accuracyOf(await scoreAnswers(adder, questions, options))
  const random = await scoreAnswers(adder, testQuestions(digits, counts.random, 'accuracy'), options)
  const cascades: Accuracies['cascades'][number][] = []
  for (const { start, nines, questions } of enumeratedCascades(digits, counts.perCascade))
    cascades.push({ start, nines, accuracy: await shareRight(questions) })
  const [baseAdd, useCarry] = questionCategories(digits) as [string, string]
  return {
    random: accuracyOf(random),
    randomLoss: meanLoss(random),
    cascades,
    baseAdd: await shareRight(testQuestionsOf(digits, baseAdd, counts.perCascade)),
    useCarry: await shareRight(testQuestionsOf(digits, useCarry, counts.perCascade)),
  }
}

/** The mean accuracy over starts of cascades whose number of nines `fits`; NaN when there is none. */
export function cascadeAccuracy({ cascades }: Accuracies, fits: (nines: number) => boolean): number {
  const chosen = cascades.filter(({ nines }) => fits(nines))
  return chosen.reduce((sum, { accuracy }) => sum + accuracy, 0) / chosen.length
}
