/**
 * An erasing last layer: `writer` writes a token to the answer, and keeps a copy; the neurons of the last layer read the
 * copy and take a share of the write away again. A second head writes another token, more weakly.
 *
 * Misleading: direct logit attribution credits the writer with all that it wrote; what the model loses without it is
 * 1 - `erased` of that. The sound neighbour erases nothing.
 */
import { attendTo, move, type NeuronPlan } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { scale } from '../matrix.ts'
import { itemPrompts, itemQuestion, tokenPair } from './items.ts'
import { answersFrom, between, differentPositions, promptsOf, range, somePrompts } from './prompt.ts'

export const erasingLayer: CompiledFamily = {
  name: 'erasing-layer',
  description: 'Copies one token of the prompt; the last MLP layer erases most of what was written.',
  misleads: ['direct-logit-attribution', 'logit-lens'],
  draft(random, mislead): Draft {
    const count = 5 + random.integer(3)
    const { items, slots, space } = itemPrompts({ count, length: 3 + random.integer(2), own: { copy: count } })
    const { registers: r } = space
    const strength = between(5, 10, random)
    const most = between(0.6, 0.9, random)
    const erased = mislead * most
    const [first, second] = differentPositions(2, slots.length, random) as [number, number]
    const answer = (ids: PlanIds) => ids[first]!
    const question = (ids: PlanIds) => itemQuestion(ids, answer(ids), items, random, ids[second]!)
    const erasers = Object.fromEntries(
      range(0, count).map((i): [string, NeuronPlan] => [
        `erases ${i}`,
        { reads: r.select('copy', [i]), bias: 0, writes: scale(-erased, r.rows('answer', [i])) },
      ]),
    )
    const writer = {
      scores: [attendTo(r, first)],
      moves: [move(r, ['token', items], ['answer']), move(r, ['token', items], ['copy'])],
    }
    const other = {
      scores: [attendTo(r, second)],
      moves: [move(r, ['token', items], ['answer'], (1 - most) / 2)],
    }
    return {
      circuit: {
        ...space,
        layers: [{ heads: { writer, 'second token': other } }, { heads: {}, neurons: erasers }],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map(question),
      pairs: somePrompts(slots, 8, random).map((ids) => tokenPair(question(ids), first)),
      answer,
      matters: ['writer', ...(mislead > 0 ? ['L1MLP'] : [])],
      edges: [
        ['embed', 'writer', 'v'],
        ['writer', 'logits', 'in'],
        ...(mislead > 0
          ? ([
              ['writer', 'L1MLP', 'in'],
              ['L1MLP', 'logits', 'in'],
            ] as const)
          : []),
      ],
      facts: { erased },
    }
  },
}
