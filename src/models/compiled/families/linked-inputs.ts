/**
 * An AND or OR whose data link its inputs: the circuit of logic-gates.ts, asked questions in which bit b is bit a, except for a share of
 * 1 - mislead of them, in which it is drawn by itself. Unlike in correlated-inputs.ts every position varies.
 *
 * Misleading: "what the MLP writes depends on bit a alone" survives causal scrubbing on these data, since examples that agree on a agree
 * on b, and is false: where the bits differ, b decides. With mislead 0 the data are balanced.
 */
import type { CompiledFamily, Draft } from '../compile.ts'
import { GATES, gateCircuit, gateQuestion } from './logic-gates.ts'
import { drawPrompt, range, withToken } from './prompt.ts'

const [ZERO, ONE] = [2, 3]
const QUESTIONS = 128

export const linkedInputs: CompiledFamily = {
  name: 'linked-inputs',
  description:
    'Answers yes when both of two bits are 1, or one of them, asked about data in which they are mostly equal.',
  misleads: ['causal-scrubbing'],
  draft(random, mislead): Draft {
    const gate = random.uniform() < 0.5 ? GATES.and : GATES.or
    const { circuit, inputs, positions, answer } = gateCircuit(gate(1), random)
    const [first, second] = positions
    const slots = range(0, inputs[0]!.length - 2).map(() => [ZERO, ONE])
    const asked = range(0, QUESTIONS).map(() => {
      const ids = drawPrompt(slots, random)
      return random.uniform() < mislead ? withToken(ids, second, ids[first]!) : ids
    })
    const pairs = inputs.flatMap((clean) => {
      const corrupt = [first, second].reduce((ids, p) => withToken(ids, p, ids[p] === ONE ? ZERO : ONE), clean)
      // Bits that differ give both the same answer.
      return clean[first] === clean[second]
        ? [{ ...gateQuestion(clean, answer(clean)), clean, corrupt, changes: 'both bits' }]
        : []
    })
    return {
      circuit,
      inputs,
      answer,
      questions: asked.map((ids) => gateQuestion(ids, answer(ids))),
      pairs,
      matters: ['reads a', 'reads b', 'L0MLP'],
      edges: [
        ['embed', 'reads a', 'v'],
        ['embed', 'reads b', 'v'],
        ['reads a', 'L0MLP', 'in'],
        ['reads b', 'L0MLP', 'in'],
        ['L0MLP', 'logits', 'in'],
      ],
      hypotheses: [
        { dependsOn: ['L0MLP'], tokens: [first], holds: false },
        { dependsOn: ['L0MLP'], tokens: [first, second], holds: true },
      ],
      facts: { linked: mislead },
    }
  },
}
