/**
 * An AND or OR whose data link its inputs: the circuit of logic-gates.ts, asked questions in which bit b is bit a, except for a share of
 * 1 - mislead of them, in which it is drawn by itself. Unlike in correlated-inputs.ts every position varies.
 *
 * Misleading: "what the MLP writes depends on bit a alone" survives causal scrubbing on these data, since examples that agree on a agree
 * on b, and is false: where the bits differ, b decides. With mislead 0 the data are balanced.
 */
import type { CompiledFamily, Draft } from '../compile.ts'
import { flipped } from './bits.ts'
import { GATE_EDGES, GATES, gateCircuit, gateQuestion } from './logic-gates.ts'
import { drawPrompt, pairWith, range, withToken } from './prompt.ts'

const QUESTIONS = 128

export const linkedInputs: CompiledFamily = {
  name: 'linked-inputs',
  description:
    'Answers yes when both of two bits are 1, or one of them, asked about data in which they are mostly equal.',
  misleads: ['causal-scrubbing'],
  draft(random, mislead): Draft {
    const gate = random.uniform() < 0.5 ? GATES.and : GATES.or
    const { circuit, inputs, slots, positions, answer } = gateCircuit(gate(1), random)
    const [first, second] = positions
    const asked = range(0, QUESTIONS).map(() => {
      const ids = drawPrompt(slots, random)
      return random.uniform() < mislead ? withToken(ids, second, ids[first]!) : ids
    })
    const pairs = inputs.flatMap((clean) => {
      const corrupt = flipped(flipped(clean, first), second)
      // Bits that differ give both the same answer.
      return clean[first] === clean[second] ? [pairWith(gateQuestion(clean, answer(clean)), corrupt, 'both bits')] : []
    })
    return {
      circuit,
      inputs,
      answer,
      questions: asked.map((ids) => gateQuestion(ids, answer(ids))),
      pairs,
      matters: ['reads a', 'reads b', 'L0MLP'],
      edges: GATE_EDGES,
      hypotheses: [
        { dependsOn: ['L0MLP'], tokens: [first], holds: false },
        { dependsOn: ['L0MLP'], tokens: [first, second], holds: true },
      ],
      facts: { linked: mislead },
    }
  },
}
