/**
 * A norm that one component dominates: `reader` writes the answer; `giant` writes, where the prompt says so (`#`, not `.`), a
 * vector of many times that size in a direction that nothing reads. It acts on the answer through the final norm's scale alone.
 *
 * Misleading: with the scale held fixed (direct logit attribution, linearised norms) the giant does nothing; removing it
 * multiplies every logit by sqrt(1 + size^2 / 4). The sound neighbour writes nothing there.
 */
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { itemPrompts, itemQuestion, tokenPair } from './items.ts'
import { answersFrom, between, differentPositions, pairWith, promptsOf, somePrompts, withToken } from './prompt.ts'

const [QUIET, LOUD] = [2, 3]

export const dominatedNorm: CompiledFamily = {
  name: 'dominated-norm',
  description: 'Copies one token of the prompt; another head sets the scale of the final norm.',
  misleads: ['direct-logit-attribution', 'attribution-patching'],
  draft(random, mislead): Draft {
    const prompts = itemPrompts({
      count: 5 + random.integer(3),
      length: 3 + random.integer(2),
      beside: [...'.#'],
      own: { giant: 1 },
    })
    const { items, space } = prompts
    const { registers: r } = space
    const strength = between(8, 14, random)
    const size = mislead * between(4, 9, random)
    const [source, switched] = differentPositions(2, prompts.slots.length, random) as [number, number]
    const slots = prompts.slots.with(switched - 1, [QUIET, LOUD])
    // Token, position and `one` have length 1 each: the norms multiply by sqrt(d / 3) before attention, and by
    // sqrt(d / 4) at the end where the giant is silent.
    const [early, late] = [Math.sqrt(r.width / 3), Math.sqrt(r.width / 4)]
    const answer = (ids: PlanIds) => ids[source]!
    const question = (ids: PlanIds) => itemQuestion(ids, answer(ids), items, random)
    const toggled = (ids: PlanIds) => withToken(ids, switched, ids[switched] === LOUD ? QUIET : LOUD)
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              reader: { scores: [attendTo(r, source)], moves: [move(r, ['token', items], ['answer'], 1 / early)] },
              giant: { scores: [attendTo(r, switched)], moves: [move(r, ['token', [LOUD]], ['giant'], size / early)] },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength / late),
        norm: 'RMS',
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map(question),
      pairs: somePrompts(slots, 6, random).flatMap((ids) => {
        const asked = question(ids)
        const token = tokenPair(asked, source)
        // Without a giant this pair has nothing to tell apart.
        return mislead > 0 ? [token, pairWith(asked, toggled(ids), 'the giant')] : [token]
      }),
      answer,
      matters: ['reader', ...(mislead > 0 ? ['giant'] : [])],
      edges: [
        ['embed', 'reader', 'v'],
        ['reader', 'logits', 'in'],
        ...(mislead > 0
          ? ([
              ['embed', 'giant', 'v'],
              ['giant', 'logits', 'in'],
            ] as const)
          : []),
      ],
      facts: { size, gain: Math.sqrt(1 + (size * size) / 4) },
    }
  },
}
