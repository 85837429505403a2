/**
 * An OV circuit with a uniform shift. One head attends to a token and adds to the logits
 *
 *     M = P + shift 1 1',   P: a cyclic order of the tokens, each of which raises the next
 *
 * Every eigenvalue of P has size 1, and their sum is 0: no token raises itself. The shift adds the same to all logits, which no
 * prediction sees, and one eigenvalue, shift times the size of the vocabulary.
 *
 * Misleading: the eigenvalue copying score is near 1 and near 0 once logits are centred. In the sound neighbour there is no
 * shift, and the score is near 0 either way.
 */
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { add, fill, scale } from '../matrix.ts'
import { itemPrompts, itemQuestion } from './items.ts'
import {
  answersFrom,
  between,
  differentPositions,
  pairWith,
  pick,
  promptsOf,
  somePrompts,
  withToken,
} from './prompt.ts'

export const uniformShift: CompiledFamily = {
  name: 'uniform-shift',
  description: 'Answers with the token that follows another in a cyclic order, and raises all logits alike beside it.',
  misleads: ['eigenvalue-copying'],
  draft(random, mislead): Draft {
    const { items, slots, space } = itemPrompts({
      count: 8 + random.integer(5),
      length: 2 + random.integer(3),
      own: { shift: 1 },
    })
    const { registers: r, tokens } = space
    const strength = between(5, 10, random)
    // Of the shift's eigenvalue, as a multiple of the sum of all other eigenvalues' sizes.
    const share = mislead * between(12, 20, random)
    const position = differentPositions(1, slots.length, random)[0]!
    const shift = (share * items.length) / tokens.length
    const next = (id: number) => items[(items.indexOf(id) + 1) % items.length]!
    const answer = (ids: PlanIds) => next(ids[position]!)
    const cleans = somePrompts(slots, 8, random)
    const toAll = fill(r.width, tokens.length, (row) => strength * r.select('shift').data[row]!)
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              'maps a token': {
                scores: [attendTo(r, position)],
                moves: [
                  move(r, ['token', items], ['answer', items.map((id) => items.indexOf(next(id)))]),
                  // Whatever is attended to writes it: every token has a `one`.
                  { from: r.select('one'), to: scale(shift, r.rows('shift')) },
                ],
              },
            },
          },
        ],
        unembedding: add(answersFrom(space, 'answer', items, strength), toAll),
        norm: null,
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map((ids) => itemQuestion(ids, answer(ids), items, random)),
      pairs: cleans.map((ids) => {
        const corrupt = withToken(ids, position, pick(items, random, ids[position]!))
        return pairWith({ ids, answer: answer(ids), wrong: answer(corrupt) }, corrupt, 'the token')
      }),
      answer,
      matters: ['maps a token'],
      edges: [
        ['embed', 'maps a token', 'v'],
        ['maps a token', 'logits', 'in'],
      ],
      facts: { shift, copied: 0 },
    }
  },
}
