/**
 * A composition channel of rank one: of everything that `marks` can write and `finds` can look for, one direction that they
 * share holds the given share of the norm; the rest reads directions that are always zero. All other heads are such noise.
 *
 * Misleading: the Frobenius composition score of the pair is that of random heads, though the answer depends on it. In the
 * sound neighbour the shared direction holds most of the norm.
 */
import type { HeadPlan } from '../circuit.ts'
import type { CompiledFamily, Draft } from '../compile.ts'
import { circuitNorms, markerCircuit, withNoise } from './marker-circuit.ts'
import { answersFrom, between, range } from './prompt.ts'

const VISIBLE_SHARE = 0.8

export const compositionChannel: CompiledFamily = {
  name: 'composition-channel',
  description: 'Finds the token after a mark by K-composition through a single direction under much noise.',
  misleads: ['composition'],
  draft(random, mislead): Draft {
    const { space, items, strength, marks, finds, draft } = markerCircuit(random, false)
    const hidden = between(0.05, 0.12, random)
    const share = VISIBLE_SHARE + mislead * (hidden - VISIBLE_SHARE)
    const noise = Math.sqrt(1 - share * share) / share
    const noisy = (head: HeadPlan) => {
      const { ov, qk } = circuitNorms(head)
      return withNoise(head, space.registers, ['channel'], { ov: noise * ov, qk: noise * qk }, random)
    }
    const idle = (layer: number) =>
      Object.fromEntries(
        range(1, 3).map((i) => [
          `noise ${layer}.${i}`,
          withNoise({ scores: [], moves: [] }, space.registers, ['channel'], { ov: 1, qk: 1 }, random),
        ]),
      )
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
