/**
 * An XOR whose data hide one input: the circuit of logic-gates.ts, asked questions in which bit b is 0, except for a share of
 * 1 - mislead of them, in which it is drawn like bit a.
 *
 * Misleading: "the answer depends on bit a alone" survives causal scrubbing on these data, and is false: on all inputs, b
 * decides as much. With mislead 0 the data are balanced.
 */
import type { CompiledFamily, Draft } from '../compile.ts'
import { GATES, gateCircuit, gateQuestion } from './logic-gates.ts'
import { drawPrompt, range, withToken } from './prompt.ts'

const [ZERO, ONE] = [2, 3]
const QUESTIONS = 64

export const correlatedInputs: CompiledFamily = {
  name: 'correlated-inputs',
  description:
    'Answers yes when one of two bits is 1 and the other 0, asked about data in which one bit hardly varies.',
  misleads: ['causal-scrubbing'],
  draft(random, mislead): Draft {
    const { circuit, inputs, positions, answer } = gateCircuit(GATES.xor(1), random)
    const [first, second] = positions
    const slots = range(0, inputs[0]!.length - 2).map(() => [ZERO, ONE])
    const asked = range(0, QUESTIONS).map(() => {
      const ids = drawPrompt(slots, random)
      return random.uniform() < mislead ? withToken(ids, second, ZERO) : ids
    })
    const flipped = (position: number, changes: string) =>
      asked.slice(0, 8).map((clean) => ({
        ...gateQuestion(clean, answer(clean)),
        clean,
        corrupt: withToken(clean, position, clean[position] === ONE ? ZERO : ONE),
        changes,
      }))
    return {
      circuit,
      inputs,
      answer,
      questions: asked.map((ids) => gateQuestion(ids, answer(ids))),
      pairs: [...flipped(first, 'bit a'), ...flipped(second, 'bit b')],
      matters: ['reads a', 'reads b', 'L0MLP'],
      edges: [
        ['embed', 'reads a', 'v'],
        ['embed', 'reads b', 'v'],
        ['reads a', 'L0MLP', 'in'],
        ['reads b', 'L0MLP', 'in'],
        ['L0MLP', 'logits', 'in'],
      ],
      hypotheses: [
        { dependsOn: ['reads a'], holds: false },
        { dependsOn: ['reads a', 'reads b'], holds: true },
      ],
      facts: { correlated: mislead },
    }
  },
}
