import { permutation, type RandomSource } from '../../../random/index.ts'
import { attendTo, attendToPrevious, type HeadPlan, move, SHARP } from '../circuit.ts'
import type { Draft, PlanIds, RoleEdge } from '../compile.ts'
import { scale } from '../matrix.ts'
import { NOISE_RANK } from './noise.ts'
import { ASK, between, letters, pick, promptSpace, range, START, withToken } from './prompt.ts'

/** The token whose follower is the answer. */
export const MARK = 2

/**
 * The task of the composition families: which token follows the mark `!`? `marks`, in layer 0, writes to one direction
 * (`channel`) that the token before was the mark; `finds`, in layer 1, looks for that direction in keys and copies the token.
 * Their K-composition is all in that one direction.
 */
export function markerCircuit(random: RandomSource, centred: boolean) {
  const items = range(3, 6)
  const length = 4 + random.integer(2)
  const strength = between(5, 10, random)
  const space = promptSpace({
    tokens: ['!', ...letters(items.length)],
    context: length + 2,
    own: { channel: 1, answer: items.length, dead: NOISE_RANK, spare: 12 },
    centred,
  })
  const { registers: r } = space
  const prompt = (source: RandomSource): PlanIds => {
    const middle = [...permutation(items.length, source)].slice(0, length).map((i) => items[i]!)
    // The mark is never last: something follows it.
    middle[source.integer(length - 1)] = MARK
    return [START, ...middle, ASK]
  }
  const answer = (ids: PlanIds) => ids[ids.indexOf(MARK) + 1]!
  const question = (ids: PlanIds) => ({
    ids,
    answer: answer(ids),
    wrong: pick(ids.slice(1, -1), random, answer(ids), MARK),
  })
  // Beside the lengths of token, position and `one`, 1 each, so small that a norm's scale hardly changes by it.
  const channel = centred ? 0.2 : 1
  const loudness = centred ? channel / Math.sqrt(r.width / 3) : channel
  const marks: HeadPlan = {
    scores: [attendToPrevious(r)],
    moves: [move(r, ['token', [MARK]], ['channel'], loudness)],
  }
  const finds: HeadPlan = {
    scores: [
      { query: scale(SHARP, r.select('one')), key: scale(1 / channel, r.select('channel')) },
      attendTo(r, 0, SHARP / 2),
    ],
    moves: [move(r, ['token', items], ['answer'])],
  }
  const pairs = range(0, 4).flatMap(() => {
    const clean = prompt(random)
    const at = clean.indexOf(MARK)
    const right = clean[at + 1]!
    // Another place for the mark: not a neighbour of the first, so that both followers stay where they are.
    const places = range(1, length - 1).filter((p) => Math.abs(p - at) > 1)
    const fresh = items.find((id) => !clean.includes(id))!
    const replaced = {
      clean,
      corrupt: withToken(clean, at + 1, fresh),
      answer: right,
      wrong: fresh,
      changes: 'the follower',
    }
    if (places.length === 0) return [replaced]
    const other = pick(places, random)
    const moved = withToken(withToken(clean, at, clean[other]!), other, MARK)
    return [
      replaced,
      { clean, corrupt: moved, answer: right, wrong: clean[other + 1]!, changes: 'the place of the mark' },
    ]
  })
  const draft = {
    inputs: prompt,
    questions: range(0, 16).map(() => question(prompt(random))),
    pairs,
    answer,
    matters: ['marks', 'finds'],
    edges: [
      ['embed', 'marks', 'v'],
      ['marks', 'finds', 'k'],
      ['embed', 'finds', 'v'],
      ['finds', 'logits', 'in'],
    ] as RoleEdge[],
  } satisfies Partial<Draft>
  return { space, items, strength, marks, finds, draft }
}
