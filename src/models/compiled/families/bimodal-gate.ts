/**
 * A gate with two settings: `gate` writes -1 or 1, as one bit of the prompt says, and two neurons let another bit pass at either
 * setting. out = relu(bit + 1 + width (gate - 1)) + relu(bit + 1 - width (gate + 1)) - 1, with the bit as -1 or 1: the bit itself
 * wherever the gate is -1 or 1, and -1 at its mean, 0, where it never is.
 *
 * Misleading: ablating the gate to its mean (which is zero here) closes it, though no value that it has on any input makes a
 * difference: resample ablation changes nothing. The sound neighbour's neurons do not look at the gate.
 */
import type { CompiledFamily, Draft } from '../compile.ts'
import { add, scale } from '../matrix.ts'
import { asksBit, bitPrompts, flippedPair, NO, readsSign, YES } from './bits.ts'
import { between, differentPositions, twoAnswers } from './prompt.ts'

export const bimodalGate: CompiledFamily = {
  name: 'bimodal-gate',
  description: 'Reports one bit through a gate that is open at both of its settings and closed at their mean.',
  misleads: ['ablation'],
  draft(random, mislead): Draft {
    const bits = 2 + random.integer(3)
    const strength = between(5, 10, random)
    const width = mislead * between(2.5, 4, random)
    const [position, switched] = differentPositions(2, bits, random) as [number, number]
    const { inputs, space } = bitPrompts(bits, { bit: 1, gate: 1, out: 1 })
    const { registers: r } = space
    // What the neurons add up to where the bit is 1 and the gate has a setting: with a narrow gate both are open.
    const passed = 2 + Math.max(0, 2 - 2 * width)
    const neuron = (setting: 1 | -1) => ({
      reads: add(r.select('bit'), r.select('gate'), setting * width),
      bias: 1 - width,
      writes: scale(2 / passed, r.rows('out')),
    })
    const questions = inputs.map((ids) => asksBit(ids, position))
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: { reader: readsSign(r, position, 'bit'), gate: readsSign(r, switched, 'gate') },
            neurons: { 'open at 1': neuron(1), 'open at -1': neuron(-1) },
            bias: scale(-1, r.rows('out')),
          },
        ],
        unembedding: twoAnswers(space, r.select('out'), [NO, YES], strength),
        norm: null,
      },
      inputs,
      questions,
      pairs: questions.map((question) => flippedPair(question, position, 'the bit')),
      answer: (ids) => asksBit(ids, position).answer,
      matters: ['reader', 'L0MLP'],
      edges: [
        ['embed', 'reader', 'v'],
        ['reader', 'L0MLP', 'in'],
        ['L0MLP', 'logits', 'in'],
      ],
      facts: { width },
    }
  },
}
