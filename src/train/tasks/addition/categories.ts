import type { RandomSource } from '../../../random/index.ts'

/** A sum of two numbers of n digits each; digit i stands for 10^i. */
export interface Question {
  readonly first: readonly number[]
  readonly second: readonly number[]
}

/** What a digit pair does to a carry, whatever comes in: stops it (sum below 9), hands it on (9), makes one (above 9). */
export type PairKind = 'stops' | 'passes' | 'makes'

/** What an answer digit needs (Quirke & Barez 2023): no carry, one made right below, or one through sums of 9. */
export type DigitTask = 'BA' | 'UC1' | 'US9'

/** All pairs of digits of each kind: 45, 10 and 45. */
export const digitPairs: Readonly<Record<PairKind, readonly (readonly [number, number])[]>> = pairsByKind()

function pairsByKind() {
  const pairs: Record<PairKind, [number, number][]> = { stops: [], passes: [], makes: [] }
  for (let a = 0; a < 10; a++) for (let b = 0; b < 10; b++) pairs[kindOf(a + b)].push([a, b])
  return pairs
}

function kindOf(sum: number): PairKind {
  if (sum === 9) return 'passes'
  return sum < 9 ? 'stops' : 'makes'
}

/** The kind of each digit pair, lowest first. */
export function pairKinds({ first, second }: Question): PairKind[] {
  return first.map((digit, i) => kindOf(digit + second[i]!))
}

/** The digits of the sum, lowest first: one more than a number has. */
export function answerDigits({ first, second }: Question): number[] {
  let carry = 0
  const digits = first.map((digit, i) => {
    const sum = digit + second[i]! + carry
    carry = sum > 9 ? 1 : 0
    return sum % 10
  })
  return [...digits, carry]
}

/**
 * For each answer digit, lowest first, where its carry comes from: -1 without a carry, else the number of sums of 9 that
 * the carry went through: 0 when it was made right below.
 */
export function carryOrigins(question: Question): number[] {
  let passed = -1
  const origins = pairKinds(question).map((kind) => {
    const own = passed
    if (kind === 'makes') passed = 0
    else if (kind === 'stops' || passed < 0) passed = -1
    else passed += 1
    return own
  })
  return [...origins, passed]
}

/**
 * The task of each answer digit, lowest first. Undefined where the pair right below sums to 9 and passes no carry: that is
 * added without one, but only what lies further below tells so.
 */
export function digitTasks(question: Question): (DigitTask | undefined)[] {
  const kinds = pairKinds(question)
  return carryOrigins(question).map((origin, digit) => {
    if (origin === 0) return 'UC1'
    if (origin > 0) return 'US9'
    return kinds[digit - 1] === 'passes' ? undefined : 'BA'
  })
}

/** The categories of questions of n digits, by their hardest answer digit: every question is in exactly one. */
export function questionCategories(digits: number): string[] {
  return Array.from({ length: digits + 1 }, (_, complexity) => categoryName(complexity))
}

/** The category of a question. */
export function categoryOf(question: Question): string {
  return categoryName(1 + Math.max(...carryOrigins(question)))
}

/** Complexity 0 is no carry at all, 1 only carries made right below, k + 1 a carry through k sums of 9 (S0, S1 .. of paper 2). */
function categoryName(complexity: number): string {
  if (complexity === 0) return 'base-add'
  if (complexity === 1) return 'use-carry'
  return complexity === 2 ? 'simple-nine' : `cascade-${complexity - 1}`
}

/** A question whose digits are drawn evenly. */
export function randomQuestion(digits: number, random: RandomSource): Question {
  const number = () => Array.from({ length: digits }, () => random.integer(10))
  return { first: number(), second: number() }
}

/** A question whose pairs are of the given kinds, lowest first; `undefined` stands for any. */
export function questionOfKinds(kinds: readonly (PairKind | undefined)[], random: RandomSource): Question {
  const pairs = kinds.map((kind) => {
    if (!kind) return [random.integer(10), random.integer(10)] as const
    const fitting = digitPairs[kind]
    return fitting[random.integer(fitting.length)]!
  })
  return { first: pairs.map(([a]) => a), second: pairs.map(([, b]) => b) }
}

/** A random question of a category, its longest chain of carries at a random place. */
export function questionOfCategory(digits: number, category: string, random: RandomSource): Question {
  const complexity = questionCategories(digits).indexOf(category)
  for (;;) {
    // Without carries no pair makes one, which random digits rarely manage.
    const free = () => (random.integer(55) < 45 ? 'stops' : 'passes')
    const kinds = Array.from({ length: digits }, (): PairKind | undefined => (complexity === 0 ? free() : undefined))
    if (complexity > 0) {
      const start = random.integer(digits - complexity + 1)
      kinds[start] = 'makes'
      kinds.fill('passes', start + 1, start + complexity)
    }
    const question = questionOfKinds(kinds, random)
    if (categoryOf(question) === category) return question
  }
}
