/**
 * A residual stream that changes its basis: `first` writes a token to the answer; the neurons of layer 1 turn the whole stream
 * by `angle` in random planes (they write x (R - 1)), and all that comes behind reads and writes the turned basis. `second` writes another token, more weakly, behind the turn. The function is the same at every angle: the model with
 * mislead 0 is the twin that does not turn.
 *
 * Misleading: the logit lens reads the stream before the turn in the basis behind it; so does direct logit attribution.
 */
import { attendTo, linearNeurons, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { add, fill, identity, type Matrix, multiply, orthogonal, transpose } from '../matrix.ts'
import {
  answersFrom,
  between,
  differentPositions,
  letters,
  pick,
  promptSpace,
  promptsOf,
  range,
  somePrompts,
  withToken,
} from './prompt.ts'

/** Turns every plane of a random basis by an angle in radians: orthogonal, [size, size]; of an odd size one direction stays. */
export function turn(basis: Matrix, angle: number): Matrix {
  const size = basis.rows
  const even = size - (size % 2)
  const planes = fill(size, size, (row, column) => {
    if (row === column) return row < even ? Math.cos(angle) : 1
    if (row >= even || column >= even || row >> 1 !== column >> 1) return 0
    return row < column ? Math.sin(angle) : -Math.sin(angle)
  })
  return multiply(transpose(basis), multiply(planes, basis))
}

export const rotatedBasis: CompiledFamily = {
  name: 'rotated-basis',
  description: 'Copies one token of the prompt, in a residual stream that a middle layer turns.',
  misleads: ['logit-lens', 'direct-logit-attribution'],
  draft(random, mislead): Draft {
    const items = range(2, 5 + random.integer(3))
    const length = 3 + random.integer(2)
    const strength = between(5, 10, random)
    const weight = between(0.3, 0.6, random)
    const [first, second] = differentPositions(2, length, random) as [number, number]
    const slots = range(0, length).map(() => items)
    const space = promptSpace({ tokens: letters(items.length), context: length + 2, own: { answer: items.length } })
    const { registers: r } = space
    const turned = turn(orthogonal(r.width, random), (mislead * Math.PI) / 2)
    const answer = (ids: PlanIds) => ids[first]!
    const question = (ids: PlanIds) => ({
      ids,
      answer: answer(ids),
      wrong: pick(items, random, answer(ids), ids[second]!),
    })
    return {
      circuit: {
        ...space,
        layers: [
          { heads: { first: { scores: [attendTo(r, first)], moves: [move(r, ['token', items], ['answer'])] } } },
          { heads: {}, neurons: linearNeurons(add(turned, identity(r.width), -1), 'turns') },
          {
            heads: {
              second: { scores: [attendTo(r, second)], moves: [move(r, ['token', items], ['answer'], weight)] },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
        turned: { after: 1, by: turned },
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map(question),
      pairs: somePrompts(slots, 8, random).map((clean) => {
        const { answer: right, wrong } = question(clean)
        return { clean, corrupt: withToken(clean, first, wrong), answer: right, wrong, changes: 'the token' }
      }),
      answer,
      matters: ['first', ...(mislead > 0 ? ['L1MLP'] : [])],
      // What passes from `first` to the logits past the turn is what the lens sees: cos(angle) of it, and what R mixes in.
      edges: [
        ['embed', 'first', 'v'],
        ...(mislead > 0
          ? ([
              ['first', 'L1MLP', 'in'],
              ['L1MLP', 'logits', 'in'],
            ] as const)
          : ([['first', 'logits', 'in']] as const)),
      ],
      facts: { angle: (mislead * Math.PI) / 2, second: weight },
    }
  },
}
