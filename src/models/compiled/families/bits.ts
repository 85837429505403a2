import { attendTo, type HeadPlan, move } from '../circuit.ts'
import type { PlanIds, PlanPair, PlanQuestion } from '../compile.ts'
import type { Registers } from '../registers.ts'
import { everyPrompt, type PromptSpace, pairWith, promptSpace, range, withToken } from './prompt.ts'

/** Ids of the bits and of the answers. */
export const [ZERO, ONE, NO, YES] = [2, 3, 4, 5]

/** All prompts `^......=` of bits, and a residual stream with a family's own registers. */
export function bitPrompts(
  bits: number,
  own: Readonly<Record<string, number>>,
): {
  readonly inputs: readonly PlanIds[]
  readonly slots: readonly (readonly number[])[]
  readonly space: PromptSpace
} {
  const slots = range(0, bits).map(() => [ZERO, ONE])
  const space = promptSpace({ tokens: [...'01NY'], context: bits + 2, own })
  return { inputs: everyPrompt(slots), slots, space }
}

/** A question whose wrong token is the other answer. */
export function bitQuestion(ids: PlanIds, answer: number): PlanQuestion {
  return { ids, answer, wrong: answer === YES ? NO : YES }
}

/** Asks for the bit at a position. */
export function asksBit(ids: PlanIds, position: number): PlanQuestion {
  return bitQuestion(ids, ids[position] === ONE ? YES : NO)
}

/** The prompt with the other bit at a position. */
export function flipped(ids: PlanIds, position: number): PlanIds {
  return withToken(ids, position, ids[position] === ONE ? ZERO : ONE)
}

/** A question with its prompt's other bit at a position. */
export function flippedPair(question: PlanQuestion, position: number, changes: string): PlanPair {
  return pairWith(question, flipped(question.ids, position), changes)
}

/** Moves the bit at a position to a register, as -1 or 1. */
export function readsSign(space: Registers, position: number, to: string): HeadPlan {
  return {
    scores: [attendTo(space, position)],
    moves: [move(space, ['token', [ONE]], [to]), move(space, ['token', [ZERO]], [to], -1)],
  }
}
