import { describe, expect, it } from 'vitest'
import { randomSource } from '../../../random/index.ts'
import {
  answerDigits,
  carryOrigins,
  categoryOf,
  digitTasks,
  type Question,
  questionCategories,
  questionOfCategory,
  randomQuestion,
} from './categories.ts'

/** A question from its text, such as `00450+00550`. */
function question(text: string): Question {
  const [first, second] = text.split('+').map((number) => [...number].toReversed().map(Number))
  return { first: first!, second: second! }
}

describe('categories of sums', () => {
  // the paper's own examples of a simple and a cascading use of sum 9, and the ends of the scale
  it.each([
    ['12345+11111', 'base-add'],
    ['90909+09090', 'base-add'],
    ['00007+00008', 'use-carry'],
    ['50505+50505', 'use-carry'],
    ['00450+00550', 'simple-nine'],
    ['95000+05000', 'simple-nine'],
    ['04450+05550', 'cascade-2'],
    ['44450+55550', 'cascade-3'],
    ['99999+00001', 'cascade-4'],
  ])('%s is %s', (text, category) => {
    expect(categoryOf(question(text))).toBe(category)
  })

  it('names the task of every digit, lowest first', () => {
    expect(digitTasks(question('04450+05550'))).toEqual(['BA', 'BA', 'UC1', 'US9', 'US9', 'BA'])
    expect(carryOrigins(question('99999+00001'))).toEqual([-1, 0, 1, 2, 3, 4])
    // a 9 without a carry from below passes nothing, but it might have
    expect(digitTasks(question('00090+00009'))).toEqual(['BA', undefined, undefined, 'BA', 'BA', 'BA'])
  })

  it('adds', () => {
    const random = randomSource(1, 'sums')
    for (let i = 0; i < 200; i++) {
      const { first, second } = randomQuestion(5, random)
      const number = (digits: readonly number[]) => Number(digits.toReversed().join(''))
      expect(number(answerDigits({ first, second }))).toBe(number(first) + number(second))
    }
  })

  it('has every two-digit sum in one category, as many as the arithmetic says', () => {
    const counts: Record<string, number> = {}
    for (let i = 0; i < 10_000; i++) {
      const [a, b] = [Math.floor(i / 100), i % 100]
      const category = categoryOf({ first: [a % 10, Math.floor(a / 10)], second: [b % 10, Math.floor(b / 10)] })
      counts[category] = (counts[category] ?? 0) + 1
    }
    // no carry: both of the 55 pairs up to 9; a carry through a 9: one of 45 pairs below one of 10
    expect(counts).toEqual({ 'base-add': 55 * 55, 'simple-nine': 45 * 10, 'use-carry': 10_000 - 55 * 55 - 450 })
  })

  it('draws questions of every category, at every start of the longest chain', () => {
    const random = randomSource(0, 'drawn')
    for (const [complexity, category] of questionCategories(5).entries()) {
      const drawn = Array.from({ length: 200 }, () => questionOfCategory(5, category, random))
      expect(new Set(drawn.map(categoryOf))).toEqual(new Set([category]))
      const reached = drawn.flatMap((one) =>
        carryOrigins(one).flatMap((origin, digit) => (origin === complexity - 1 && complexity > 0 ? [digit] : [])),
      )
      const expected = complexity === 0 ? [] : Array.from({ length: 6 - complexity }, (_, i) => complexity + i)
      expect([...new Set(reached)].sort()).toEqual(expected)
    }
  })
})
