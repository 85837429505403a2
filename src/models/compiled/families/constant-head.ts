/**
 * A head that works as a bias: `constant` attends to the start token and writes the same vector on every input; a neuron
 * needs it to stay in its linear part. out = relu(bit + bias) - bias, with the bit as -1 or 1.
 *
 * Misleading: zero ablation breaks the model, though the head carries nothing of the input (mean and resample ablation change
 * nothing). The sound neighbour has the bias in the neuron, and a head that writes nothing.
 */
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft } from '../compile.ts'
import { add, scale } from '../matrix.ts'
import { asksBit, bitPrompts, flippedPair, NO, readsSign, YES } from './bits.ts'
import { between, differentPositions, twoAnswers } from './prompt.ts'

export const constantHead: CompiledFamily = {
  name: 'constant-head',
  description: 'Reports one bit through a neuron that a head with constant output keeps active.',
  misleads: ['ablation'],
  draft(random, mislead): Draft {
    const bits = 2 + random.integer(3)
    const strength = between(5, 10, random)
    const bias = between(1.5, 3, random)
    const position = differentPositions(1, bits, random)[0]!
    const { inputs, space } = bitPrompts(bits, { bit: 1, bias: 1, out: 1 })
    const { registers: r } = space
    const questions = inputs.map((ids) => asksBit(ids, position))
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              reader: readsSign(r, position, 'bit'),
              constant: { scores: [attendTo(r, 0)], moves: [move(r, ['one'], ['bias'], mislead * bias)] },
            },
            neurons: {
              linear: {
                reads: add(r.select('bit'), r.select('bias')),
                bias: (1 - mislead) * bias,
                writes: r.rows('out'),
              },
            },
            bias: scale(-bias, r.rows('out')),
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
      facts: { bias: mislead * bias },
    }
  },
}
