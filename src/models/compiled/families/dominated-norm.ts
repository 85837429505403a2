/**
 * A norm that one component dominates: `reader` writes the answer; `giant` writes, where the prompt says so (`#`, not `.`), a
 * vector of many times that size in a direction that nothing reads. It acts on the answer through the final norm's scale alone.
 *
 * Misleading: with the scale held fixed (direct logit attribution, linearised norms) the giant does nothing; removing it
 * multiplies every logit by sqrt(1 + size^2 / 4). The sound neighbour writes nothing there.
 */
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
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

const [QUIET, LOUD] = [2, 3]

export const dominatedNorm: CompiledFamily = {
  name: 'dominated-norm',
  description: 'Copies one token of the prompt; another head sets the scale of the final norm.',
  misleads: ['direct-logit-attribution', 'attribution-patching'],
  draft(random, mislead): Draft {
    const items = range(4, 5 + random.integer(3))
    const length = 3 + random.integer(2)
    const strength = between(8, 14, random)
    const size = mislead * between(4, 9, random)
    const [source, switched] = differentPositions(2, length, random) as [number, number]
    const slots = range(1, length).map((p) => (p === switched ? [QUIET, LOUD] : items))
    const space = promptSpace({
      tokens: [...'.#', ...letters(items.length)],
      context: length + 2,
      own: { answer: items.length, giant: 1 },
    })
    const { registers: r } = space
    // Token, position and `one` have length 1 each: the norms multiply by sqrt(d / 3) before attention, and by
    // sqrt(d / 4) at the end where the giant is silent.
    const [early, late] = [Math.sqrt(r.width / 3), Math.sqrt(r.width / 4)]
    const answer = (ids: PlanIds) => ids[source]!
    const question = (ids: PlanIds) => ({ ids, answer: answer(ids), wrong: pick(items, random, answer(ids)) })
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
      pairs: somePrompts(slots, 6, random).flatMap((clean) => {
        const { answer: right, wrong } = question(clean)
        const pair = { clean, answer: right, wrong }
        const token = { ...pair, corrupt: withToken(clean, source, wrong), changes: 'the token' }
        // Without a giant this pair has nothing to tell apart.
        return mislead > 0 ? [token, { ...pair, corrupt: toggled(clean), changes: 'the giant' }] : [token]
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
