import type { RandomSource } from '../../../random/index.ts'
import type { PlanIds, PlanPair, PlanQuestion } from '../compile.ts'
import { letters, type PromptSpace, pairWith, pick, promptSpace, range, withToken } from './prompt.ts'

/** Prompts `^......=` of items, for families that answer with one of them. */
export interface ItemPrompts {
  /** Ids of the items. */
  readonly items: readonly number[]
  /** The items once for every place. */
  readonly slots: readonly (readonly number[])[]
  readonly space: PromptSpace
}

/** `count` items at `length` places, and a residual stream with a register `answer` that holds an item. */
export function itemPrompts(options: {
  readonly count: number
  readonly length: number
  /** Tokens that are no items; their ids come before the items'. */
  readonly beside?: readonly string[]
  /** Registers beside `answer`. */
  readonly own?: Readonly<Record<string, number>>
  readonly centred?: boolean
}): ItemPrompts {
  const { count, length, beside = [], own = {}, centred = false } = options
  const items = range(2 + beside.length, count)
  return {
    items,
    slots: range(0, length).map(() => items),
    space: promptSpace({
      tokens: [...beside, ...letters(count)],
      context: length + 2,
      own: { answer: count, ...own },
      centred,
    }),
  }
}

/** Asks for `answer`; the wrong token is another item, none of those excluded. */
export function itemQuestion(
  ids: PlanIds,
  answer: number,
  items: readonly number[],
  random: RandomSource,
  ...excluded: readonly number[]
): PlanQuestion {
  return { ids, answer, wrong: pick(items, random, answer, ...excluded) }
}

/** A question with its wrong token in place of its prompt's token at a position. */
export function tokenPair(question: PlanQuestion, position: number): PlanPair {
  return pairWith(question, withToken(question.ids, position, question.wrong), 'the token')
}
