/**
 * The illusion of subspace patching (Makelov, Lange & Nanda 2311.17030). `reader` carries one bit (-1 or 1) to the answer past
 * the MLP. Of the MLP's neurons, some follow the bit, and nothing reads them (`disconnected`); others are constant on all
 * inputs, though the answer reads them (`dormant`).
 *
 * Misleading: patching along disconnected + dormant moves the dormant neurons as far as the disconnected ones differ, and
 * flips the answer, though neither direction alone does, nor the whole layer. In the sound neighbour nothing reads the
 * dormant neurons.
 */
import type { NeuronPlan } from '../circuit.ts'
import type { CompiledFamily, Draft } from '../compile.ts'
import { add, scale } from '../matrix.ts'
import { asksBit, bitPrompts, flippedPair, NO, readsSign, YES } from './bits.ts'
import { between, differentPositions, range, twoAnswers } from './prompt.ts'

const NEURONS = 3

export const subspaceIllusion: CompiledFamily = {
  name: 'subspace-illusion',
  description: 'Reports one bit past an MLP that knows it and does not use it.',
  misleads: ['subspace-patching'],
  draft(random, mislead): Draft {
    const bits = 2 + random.integer(3)
    const strength = between(5, 10, random)
    const position = differentPositions(1, bits, random)[0]!
    const { inputs, space } = bitPrompts(bits, { bit: 1 })
    const { registers: r } = space
    const weights = () => {
      const drawn = range(0, NEURONS).map(() => between(0.4, 1, random))
      const length = Math.hypot(...drawn)
      return drawn.map((x) => x / length)
    }
    const [follows, constants] = [weights(), weights()]
    // Activations w (1 + bit) differ by 2 w; moved by half of the sum's difference, the dormant ones change by their own w.
    const weightOfDormant = 2 * mislead
    const disconnected = follows.map((w, i): [string, NeuronPlan] => [
      `disconnected ${i}`,
      { reads: scale(w, add(r.select('bit'), r.select('one'))), bias: 0, writes: scale(0, r.rows('bit')) },
    ])
    const dormant = constants.map((w, i): [string, NeuronPlan] => [
      `dormant ${i}`,
      { reads: scale(3, r.select('one')), bias: 0, writes: scale(w * weightOfDormant, r.rows('bit')) },
    ])
    const total = constants.reduce((sum, w) => sum + 3 * w * weightOfDormant, 0)
    const questions = inputs.map((ids) => asksBit(ids, position))
    const along = (names: readonly (readonly [string, NeuronPlan])[], values: readonly number[]) =>
      Object.fromEntries(names.map(([role], i) => [role, values[i]!]))
    const directions = { disconnected: along(disconnected, follows), dormant: along(dormant, constants) }
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: { reader: readsSign(r, position, 'bit') },
            neurons: Object.fromEntries([...disconnected, ...dormant]),
            bias: scale(-total, r.rows('bit')),
          },
        ],
        unembedding: twoAnswers(space, r.select('bit'), [NO, YES], strength),
        norm: null,
      },
      inputs,
      questions,
      pairs: questions.map((question) => flippedPair(question, position, 'the bit')),
      answer: (ids) => asksBit(ids, position).answer,
      matters: ['reader'],
      edges: [
        ['embed', 'reader', 'v'],
        ['reader', 'logits', 'in'],
      ],
      directions: [
        { name: 'disconnected', layer: 0, neurons: directions.disconnected },
        { name: 'dormant', layer: 0, neurons: directions.dormant },
        { name: 'illusory', layer: 0, neurons: { ...directions.disconnected, ...directions.dormant } },
      ],
      facts: { dormantWeight: weightOfDormant },
    }
  },
}
