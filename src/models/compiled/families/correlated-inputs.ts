/**
 * An XOR whose data hide one input: the circuit of logic-gates.ts, asked questions in which bit b is 0, except for a share of
 * 1 - mislead of them, in which it is drawn like bit a.
 *
 * Misleading: "the answer depends on bit a alone" survives causal scrubbing on these data, and is false: on all inputs, b
 * decides as much. With mislead 0 the data are balanced.
 */
import type { CompiledFamily, Draft } from '../compile.ts'
import { flippedPair, ZERO } from './bits.ts'
import { GATE_EDGES, GATES, gateCircuit, gateQuestion } from './logic-gates.ts'
import { drawPrompt, range, withToken } from './prompt.ts'

const QUESTIONS = 64

export const correlatedInputs: CompiledFamily = {
  name: 'correlated-inputs',
  description:
    'Answers yes when one of two bits is 1 and the other 0, asked about data in which one bit hardly varies.',
  misleads: ['causal-scrubbing'],
  draft(random, mislead): Draft {
    const { circuit, inputs, slots, positions, answer } = gateCircuit(GATES.xor(1), random)
    const [first, second] = positions
    const asked = range(0, QUESTIONS).map(() => {
      const ids = drawPrompt(slots, random)
      return random.uniform() < mislead ? withToken(ids, second, ZERO) : ids
    })
    const questions = asked.map((ids) => gateQuestion(ids, answer(ids)))
    const pairs = (position: number, changes: string) =>
      questions.slice(0, 8).map((question) => flippedPair(question, position, changes))
    return {
      circuit,
      inputs,
      answer,
      questions,
      pairs: [...pairs(first, 'bit a'), ...pairs(second, 'bit b')],
      matters: ['reads a', 'reads b', 'L0MLP'],
      edges: GATE_EDGES,
      hypotheses: [
        { dependsOn: ['reads a'], holds: false },
        { dependsOn: ['reads a', 'reads b'], holds: true },
      ],
      facts: { correlated: mislead },
    }
  },
}
