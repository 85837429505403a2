/**
 * A composition channel of rank one: of everything that `marks` can write and `finds` can look for, one direction that they
 * share holds the given share of the norm; the rest reads directions that are always zero. All other heads are such noise.
 *
 * Misleading: the Frobenius composition score of the pair is that of random heads, though the answer depends on it. In the
 * sound neighbour the shared direction holds most of the norm.
 */
import type { HeadPlan } from '../circuit.ts'
import type { CompiledFamily, Draft } from '../compile.ts'
import { markerCircuit } from './marker-circuit.ts'
import { noiseHeads, underNoise, VISIBLE_SHARE } from './noise.ts'
import { answersFrom, between } from './prompt.ts'

export const compositionChannel: CompiledFamily = {
  name: 'composition-channel',
  description: 'Finds the token after a mark by K-composition through a single direction under much noise.',
  misleads: ['composition'],
  draft(random, mislead): Draft {
    const { space, items, strength, marks, finds, draft } = markerCircuit(random, false)
    const hidden = between(0.05, 0.12, random)
    const share = VISIBLE_SHARE + mislead * (hidden - VISIBLE_SHARE)
    const { registers: r } = space
    const noisy = (head: HeadPlan) => underNoise(head, share, r, ['channel'], random)
    const idle = (layer: number) => noiseHeads(layer, 3, r, ['channel'], random)
    return {
      ...draft,
      circuit: {
        ...space,
        layers: [{ heads: { marks: noisy(marks), ...idle(0) } }, { heads: { finds: noisy(finds), ...idle(1) } }],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
      },
      facts: { share },
    }
  },
}
