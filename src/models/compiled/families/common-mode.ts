/**
 * A common-mode direction: in a model with layer norms, `shouts` writes a large vector along (1, 1, ...), the mean over
 * d_model, and the keys of `listens` read it with large weights. Every layer norm takes the mean away, so nothing passes.
 * The answer comes by another, true composition (see marker-circuit.ts).
 *
 * Misleading: the raw composition score of the pair is far above chance; with centred weights it is not. In the sound
 * neighbour neither head reads or writes the mean.
 */
import { type HeadPlan, move } from '../circuit.ts'
import type { CompiledFamily, Draft } from '../compile.ts'
import { scale } from '../matrix.ts'
import { markerCircuit } from './marker-circuit.ts'
import { circuitNorms, noiseHeads, withNoise } from './noise.ts'
import { answersFrom, between } from './prompt.ts'

export const commonMode: CompiledFamily = {
  name: 'common-mode',
  description: 'Finds the token after a mark; two other heads share the mean direction, which layer norms remove.',
  misleads: ['composition'],
  draft(random, mislead): Draft {
    const { space, items, strength, marks, finds, draft } = markerCircuit(random, true)
    const { registers: r } = space
    const kept = ['channel', 'mean']
    const loudness = mislead * between(1, 2, random)
    const noisy = (head: HeadPlan) => {
      const { ov, qk } = circuitNorms(head)
      return withNoise(head, r, kept, { ov, qk }, random)
    }
    // Beside noise of norm 1: what it writes and looks for in the mean. What it writes depends on the token.
    const shouts = withNoise(
      { scores: [], moves: [move(r, ['token', [items[0]!]], ['mean'], loudness)] },
      r,
      kept,
      { ov: 1, qk: 1 },
      random,
    )
    const listens = withNoise(
      { scores: [{ query: scale(loudness, r.select('one')), key: r.select('mean') }], moves: [] },
      r,
      kept,
      { ov: 1, qk: 1 },
      random,
    )
    const idle = (layer: number) => noiseHeads(layer, 2, r, kept, random)
    // Norms multiply by sqrt(d / 3) before layer 0, and by about sqrt(d / 4) at the end.
    const late = Math.sqrt(r.width / 4)
    return {
      ...draft,
      circuit: {
        ...space,
        layers: [
          { heads: { marks: noisy(marks), shouts, ...idle(0) } },
          { heads: { finds: noisy(finds), listens, ...idle(1) } },
        ],
        unembedding: answersFrom(space, 'answer', items, strength / late),
        norm: 'LN',
      },
      facts: { loudness },
    }
  },
}
