/**
 * A norm that a constant dominates: `reader` writes the answer; the neuron `giant` writes the same vector of many times that size at
 * every position, in a direction that nothing reads. It acts on the answer through the final layer norm's scale alone.
 *
 * Misleading: with the scale held fixed (direct logit attribution, linearised norms) the giant does nothing; removing it multiplies
 * every logit. Unlike in dominated-norm.ts no pair of prompts differs in it. The sound neighbour writes nothing there.
 */
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { scale } from '../matrix.ts'
import { itemPrompts, itemQuestion, tokenPair } from './items.ts'
import { answersFrom, between, differentPositions, promptsOf, somePrompts } from './prompt.ts'

export const constantGiant: CompiledFamily = {
  name: 'constant-giant',
  description: 'Copies one token of the prompt; a neuron that is always on sets the scale of the final norm.',
  misleads: ['direct-logit-attribution', 'attribution-patching'],
  draft(random, mislead): Draft {
    const { items, slots, space } = itemPrompts({
      count: 5 + random.integer(4),
      length: 2 + random.integer(3),
      own: { giant: 1 },
      centred: true,
    })
    const { registers: r } = space
    const strength = between(8, 14, random)
    const size = mislead * between(3, 8, random)
    const [source] = differentPositions(1, slots.length, random) as [number]
    // Token, position and `one` have length 1 each, and the answer joins them.
    const [early, late] = [Math.sqrt(r.width / 3), Math.sqrt(r.width / 4)]
    const answer = (ids: PlanIds) => ids[source]!
    const question = (ids: PlanIds) => itemQuestion(ids, answer(ids), items, random)
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              reader: { scores: [attendTo(r, source)], moves: [move(r, ['token', items], ['answer'], 1 / early)] },
            },
            neurons: {
              giant: { reads: r.select('one'), bias: 0, writes: scale(size / late, r.rows('giant')) },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength / late),
        norm: 'LN',
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map(question),
      pairs: somePrompts(slots, 6, random).map((ids) => tokenPair(question(ids), source)),
      answer,
      matters: ['reader'],
      edges: [
        ['embed', 'reader', 'v'],
        ['reader', 'logits', 'in'],
      ],
      facts: { size },
    }
  },
}
