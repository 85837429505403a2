/**
 * AND, OR and XOR of two heads. Each head moves one bit of the prompt to the last position; neurons combine them:
 *
 *     both = relu(a + b - 1),   AND = both,   OR = a + b - both,   XOR = a + b - 2 both
 *
 * Misleading: in an OR one input suffices and neither is needed, in an AND the reverse, so patching in one direction only
 * sees nothing; an XOR depends on both bits, and neither alone says anything about it. Sound neighbours (mislead 0): AND and OR become the mean (a + b) / 2,
 * XOR becomes a alone.
 */
import type { RandomSource } from '../../../random/index.ts'
import { attendTo, type LayerPlan, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds, PlanQuestion, RoleEdge } from '../compile.ts'
import { add, scale } from '../matrix.ts'
import { bitPrompts, bitQuestion, flipped, NO, ONE, YES, ZERO } from './bits.ts'
import { between, differentPositions, twoAnswers, withToken } from './prompt.ts'

/** What the neurons relu(a), relu(b) and relu(a + b - 1) are summed with, and from where on the answer is yes. */
export interface Gate {
  readonly a: number
  readonly b: number
  readonly both: number
  readonly threshold: number
}

/** AND, OR: from the mean to the gate; XOR: from a alone. */
export const GATES = {
  and: (m: number): Gate => ({ a: (1 - m) / 2, b: (1 - m) / 2, both: m, threshold: 0.75 }),
  or: (m: number): Gate => ({ a: (1 + m) / 2, b: (1 + m) / 2, both: -m, threshold: 0.25 }),
  xor: (m: number): Gate => ({ a: 1, b: m, both: -2 * m, threshold: 0.5 }),
} as const

/** What gates have in common: the circuit, its inputs and answers. */
export function gateCircuit(gate: Gate, random: RandomSource) {
  const bits = 3 + random.integer(2)
  const strength = between(5, 10, random)
  const [first, second] = differentPositions(2, bits, random) as [number, number]
  const { inputs, slots, space } = bitPrompts(bits, { a: 1, b: 1, out: 1 })
  const { registers: r } = space
  const reader = (position: number, to: string) => ({
    scores: [attendTo(r, position)],
    moves: [move(r, ['token', [ONE]], [to])],
  })
  const writes = (weight: number) => scale(weight, r.rows('out'))
  const layer: LayerPlan = {
    heads: { 'reads a': reader(first, 'a'), 'reads b': reader(second, 'b') },
    neurons: {
      a: { reads: r.select('a'), bias: 0, writes: writes(gate.a) },
      b: { reads: r.select('b'), bias: 0, writes: writes(gate.b) },
      both: { reads: add(r.select('a'), r.select('b')), bias: -1, writes: writes(gate.both) },
    },
  }
  // logit difference: 2 strength (out - threshold)
  const readout = add(r.select('out'), r.select('one'), -gate.threshold)
  const value = (ids: PlanIds) => {
    const [a, b] = [bit(ids, first), bit(ids, second)]
    return gate.a * a + gate.b * b + gate.both * a * b
  }
  // Half an XOR decides nothing where its b is 1.
  const answer = (ids: PlanIds) => {
    const above = value(ids) - gate.threshold
    return Math.abs(above) < 0.05 ? null : above > 0 ? YES : NO
  }
  return {
    circuit: {
      ...space,
      layers: [layer],
      unembedding: twoAnswers(space, readout, [NO, YES], 2 * strength),
      norm: null,
    },
    inputs,
    slots,
    positions: [first, second] as const,
    value,
    answer,
  }
}

const bit = (ids: PlanIds, position: number) => (ids[position] === ONE ? 1 : 0)

/** A question to a gate; where it decides nothing, yes is called right. */
export function gateQuestion(ids: PlanIds, answer: number | null): PlanQuestion {
  return bitQuestion(ids, answer ?? YES)
}

const FROM_A: readonly RoleEdge[] = [
  ['embed', 'reads a', 'v'],
  ['reads a', 'L0MLP', 'in'],
]
const FROM_B: readonly RoleEdge[] = [
  ['embed', 'reads b', 'v'],
  ['reads b', 'L0MLP', 'in'],
]
const OUT: RoleEdge = ['L0MLP', 'logits', 'in']
/** Of a gate that uses both bits. */
export const GATE_EDGES: readonly RoleEdge[] = [...FROM_A, ...FROM_B, OUT]

function gateFamily(name: keyof typeof GATES, description: string): CompiledFamily {
  return {
    name: `${name}-gate`,
    description,
    misleads: ['activation-patching', 'ablation'],
    draft(random, mislead): Draft {
      const gate = GATES[name](mislead)
      const { circuit, inputs, positions, value, answer } = gateCircuit(gate, random)
      const [first, second] = positions
      const both = (ids: PlanIds, id: number) => withToken(withToken(ids, first, id), second, id)
      const ones = inputs.filter((ids) => ids[first] === ONE && ids[second] === ONE)
      const flips =
        name === 'xor'
          ? inputs.flatMap((clean) =>
              positions.map((p, i) => ({
                clean,
                corrupt: flipped(clean, p),
                changes: `bit ${'ab'[i]}`,
              })),
            )
          : ones.map((clean) => ({ clean, corrupt: both(clean, ZERO), changes: 'both bits' }))
      const pairs = flips
        .filter(({ clean, corrupt }) => answer(clean) !== null && Math.abs(value(clean) - value(corrupt)) > 1e-6)
        .map((pair) => ({ ...pair, ...gateQuestion(pair.clean, answer(pair.clean)) }))
      const usesB = name !== 'xor' || mislead > 0
      return {
        circuit,
        inputs,
        answer,
        questions: inputs.map((ids) => gateQuestion(ids, answer(ids))),
        pairs,
        matters: ['reads a', ...(usesB ? ['reads b'] : []), 'L0MLP'],
        edges: usesB ? GATE_EDGES : [...FROM_A, OUT],
        compensation:
          name === 'or' && mislead > 0
            ? [
                { lost: 'reads a', by: 'reads b', edges: [] },
                { lost: 'reads b', by: 'reads a', edges: [] },
              ]
            : [],
        facts: { gate: mislead },
      }
    },
  }
}

/** The three gates. */
export const logicGates: readonly CompiledFamily[] = [
  gateFamily('and', 'Answers yes when both of two bits are 1; two heads move them, neurons combine them.'),
  gateFamily('or', 'Answers yes when one of two bits is 1 or both; each head makes the other dispensable.'),
  gateFamily('xor', 'Answers yes when one of two bits is 1 and the other 0; no bit says anything alone.'),
]
