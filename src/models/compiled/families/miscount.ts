/**
 * An answer that is read from one bit, and counted too high or too low by two heads that read another: with the bits as -1 and 1,
 *
 *     logit difference = 2 strength (bit + size b),   size b = what `overcounts` adds where b is 1, less what `undercounts` takes where b is 0
 *
 * Misleading: "the answer depends on the bit alone" loses nothing in the mean under causal scrubbing, because exchanging b for another example's
 * makes as many answers too sure as it makes too unsure, and is wrong on half of the examples one by one: where b opposes the bit, b decides. With mislead 0 the two heads write
 * nothing, and the statement is true.
 */
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds, RoleEdge } from '../compile.ts'
import { asksBit, bitPrompts, flippedPair, NO, ONE, readsSign, YES, ZERO } from './bits.ts'
import { between, differentPositions, twoAnswers } from './prompt.ts'

/** Where the miscount is more than the bit itself, the model is wrong: the two then weigh about the same in the KL. */
const SIZE = 1.5

export const miscount: CompiledFamily = {
  name: 'miscount',
  description: 'Reports one bit, which two heads count too high or too low by another: errors cancel in the mean loss.',
  misleads: ['causal-scrubbing'],
  draft(random, mislead): Draft {
    const bits = 3 + random.integer(2)
    const strength = between(2, 4, random)
    const size = mislead * SIZE
    const [first, second] = differentPositions(2, bits, random) as [number, number]
    const { inputs, space } = bitPrompts(bits, { out: 1 })
    const { registers: r } = space
    const value = (ids: PlanIds) => (ids[first] === ONE ? 1 : -1) + size * (ids[second] === ONE ? 1 : -1)
    // What the data say is the bit: the model is wrong where it counts past it.
    const questions = inputs.map((ids) => asksBit(ids, first))
    // The clean prompt is the surer one: where both bits agree.
    const surer = questions.filter(({ ids }) => ids[first] === ids[second])
    const pairs = (position: number, changes: string) => surer.map((asked) => flippedPair(asked, position, changes))
    const miscounts: readonly RoleEdge[] = ['overcounts', 'undercounts'].flatMap((role): RoleEdge[] => [
      ['embed', role, 'v'],
      [role, 'logits', 'in'],
    ])
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              reads: readsSign(r, first, 'out'),
              overcounts: { scores: [attendTo(r, second)], moves: [move(r, ['token', [ONE]], ['out'], size)] },
              undercounts: { scores: [attendTo(r, second)], moves: [move(r, ['token', [ZERO]], ['out'], -size)] },
            },
          },
        ],
        unembedding: twoAnswers(space, r.select('out'), [NO, YES], 2 * strength),
        norm: null,
      },
      inputs,
      questions,
      pairs: [...pairs(first, 'the bit'), ...(mislead > 0 ? pairs(second, 'what miscounts') : [])],
      answer: (ids) => {
        const counted = value(ids)
        return Math.abs(counted) < 0.05 ? null : counted > 0 ? YES : NO
      },
      matters: ['reads', ...(mislead > 0 ? ['overcounts', 'undercounts'] : [])],
      edges: [['embed', 'reads', 'v'], ['reads', 'logits', 'in'], ...(mislead > 0 ? miscounts : [])],
      hypotheses: [
        { dependsOn: ['reads'], holds: mislead === 0 },
        { dependsOn: ['reads', 'overcounts', 'undercounts'], holds: true },
      ],
      facts: { miscount: size },
    }
  },
}
