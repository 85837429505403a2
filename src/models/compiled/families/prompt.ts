import type { RandomSource } from '../../../random/index.ts'
import type { Draft, PlanIds, PlanPair, PlanQuestion } from '../compile.ts'
import { add, fill, type Matrix, stacked } from '../matrix.ts'
import { type Registers, registers } from '../registers.ts'

/** Ids of the tokens that every vocabulary begins with: the start token and the one that asks for the answer. */
export const [START, ASK] = [0, 1]

/** Vocabulary, residual stream and embeddings of prompts `^......=`. */
export interface PromptSpace {
  readonly tokens: readonly string[]
  readonly registers: Registers
  readonly embedding: Matrix
  readonly positions: Matrix
}

/**
 * A residual stream in which every token writes itself (`token`) and the constant `one`, and every position itself
 * (`position`); then the registers that a family asks for, and `junk` for what idle parts write. With `centred`, coordinate
 * 0 is kept free (`mean`).
 */
export function promptSpace(options: {
  /** Beside the start token and `=`; one character each. */
  readonly tokens: readonly string[]
  readonly context: number
  readonly own: Readonly<Record<string, number>>
  readonly centred?: boolean
}): PromptSpace {
  const tokens = ['^', '=', ...options.tokens]
  const space = registers({
    ...(options.centred ? { mean: 1 } : {}),
    ...{ token: tokens.length, position: options.context, one: 1 },
    ...options.own,
    junk: 3,
  })
  const one = space.rows('one')
  return {
    tokens,
    registers: space,
    embedding: add(
      space.rows('token'),
      stacked(
        tokens.map(() => one),
        tokens.length,
        space.width,
      ),
    ),
    positions: space.rows('position'),
  }
}

/** The unembedding [d, tokens] that makes the logit of token `ids[i]` a register's index i, times `factor`. */
export function answersFrom(
  { registers: space, tokens }: PromptSpace,
  name: string,
  ids: readonly number[],
  factor: number,
): Matrix {
  const from = space.select(name)
  return fill(space.width, tokens.length, (row, column) => {
    const index = ids.indexOf(column)
    return index < 0 ? 0 : factor * from.data[row * from.columns + index]!
  })
}

/** The unembedding of one number, read by the column `from` [d, 1]: half its `factor`-fold to `yes`, and half taken from `no`. */
export function twoAnswers(
  { registers: { width }, tokens }: PromptSpace,
  from: Matrix,
  [no, yes]: readonly [number, number],
  factor: number,
): Matrix {
  return fill(width, tokens.length, (row, column) =>
    column === yes || column === no ? ((column === yes ? 1 : -1) * factor * from.data[row]!) / 2 : 0,
  )
}

/** `count` whole numbers from `first` on. */
export function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i)
}

/** The first `count` letters. */
export function letters(count: number): string[] {
  return [...'abcdefghijklmnopqrstuvwxyz'.slice(0, count)]
}

/** Prompts `^......=` whose positions take every combination of the given ids. */
export function everyPrompt(slots: readonly (readonly number[])[]): PlanIds[] {
  const middles = slots.reduce<readonly number[][]>(
    (prompts, choices) => prompts.flatMap((prompt) => choices.map((id) => [...prompt, id])),
    [[]],
  )
  return middles.map((middle) => [START, ...middle, ASK])
}

/** A random prompt `^......=` with one of the given ids at each position. */
export function drawPrompt(slots: readonly (readonly number[])[], random: RandomSource): PlanIds {
  return [START, ...slots.map((choices) => pick(choices, random)), ASK]
}

/** The prompt with another token at a position. */
export function withToken(ids: PlanIds, position: number, id: number): PlanIds {
  return ids.map((old, p) => (p === position ? id : old))
}

/** A question's prompt beside another one; `changes` says what differs. */
export function pairWith({ ids, answer, wrong }: PlanQuestion, corrupt: PlanIds, changes: string): PlanPair {
  return { clean: ids, corrupt, answer, wrong, changes }
}

/** One of the choices that is none of those excluded. */
export function pick<T>(choices: readonly T[], random: RandomSource, ...excluded: readonly T[]): T {
  const left = choices.filter((choice) => !excluded.includes(choice))
  return left[random.integer(left.length)]!
}

/** Uniform between two numbers. */
export function between(low: number, high: number, random: RandomSource): number {
  return low + (high - low) * random.uniform()
}

/** `count` different positions of 1 .. `last`. */
export function differentPositions(count: number, last: number, random: RandomSource): number[] {
  const chosen: number[] = []
  while (chosen.length < count) chosen.push(pick(range(1, last), random, ...chosen))
  return chosen
}

/** All prompts of these slots where they are at most 1024, else a way to draw them. */
export function promptsOf(slots: readonly (readonly number[])[]): Draft['inputs'] {
  const count = slots.reduce((product, choices) => product * choices.length, 1)
  return count <= 1024 ? everyPrompt(slots) : (random) => drawPrompt(slots, random)
}

/** `count` prompts of these slots, all different where there are as many. */
export function somePrompts(slots: readonly (readonly number[])[], count: number, random: RandomSource): PlanIds[] {
  const prompts = new Map<string, PlanIds>()
  for (let tries = 0; prompts.size < count && tries < 20 * count; tries++) {
    const prompt = drawPrompt(slots, random)
    prompts.set(prompt.join(), prompt)
  }
  return [...prompts.values()]
}
