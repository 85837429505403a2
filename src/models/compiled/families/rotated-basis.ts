/**
 * A residual stream that changes its basis: `first` writes a token to the answer; the neurons of layer 1 turn answers and tokens
 * by `angle` into other directions, which hold clutter before (they write x (R - 1)), and all that comes behind reads and writes
 * the turned basis. `second` writes another token, more weakly, behind the turn. The function is the same at every angle:
 * the model with mislead 0 is the twin that does not turn.
 *
 * Misleading: the logit lens reads the stream before the turn in the basis behind it, and sees cos(angle) of the answer and the
 * clutter; so does direct logit attribution.
 */
import { attendTo, linearNeurons, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { add, identity, type Matrix, multiply, normal, orthogonal, scale, stacked, transpose } from '../matrix.ts'
import { itemPrompts, itemQuestion, tokenPair } from './items.ts'
import { answersFrom, between, differentPositions, promptsOf, somePrompts } from './prompt.ts'

/** Rotation by an angle in the planes of row i of `from` and row i of `to`, all orthonormal [k, d]; x -> x R. */
function turn(from: Matrix, to: Matrix, angle: number): Matrix {
  const product = (a: Matrix, b: Matrix) => multiply(transpose(a), b)
  const within = add(product(from, from), product(to, to))
  const across = add(product(from, to), product(to, from), -1)
  return add(add(identity(from.columns), within, Math.cos(angle) - 1), across, Math.sin(angle))
}

export const rotatedBasis: CompiledFamily = {
  name: 'rotated-basis',
  description: 'Copies one token of the prompt, in a residual stream that a middle layer turns.',
  misleads: ['logit-lens', 'direct-logit-attribution'],
  draft(random, mislead): Draft {
    const count = 5 + random.integer(3)
    // Answers and tokens, of which there are two more: start and `=`.
    const tokens = count + 2
    const moved = count + tokens
    const { items, slots, space } = itemPrompts({ count, length: 3 + random.integer(2), own: { spare: moved } })
    const { registers: r } = space
    const strength = between(5, 10, random)
    const weight = between(0.3, 0.6, random)
    const [first, second] = differentPositions(2, slots.length, random) as [number, number]
    const told = stacked([r.rows('answer'), r.rows('token')], moved, r.width)
    const [from, to] = [told, r.rows('spare')].map((rows) => multiply(orthogonal(moved, random), rows)) as [
      Matrix,
      Matrix,
    ]
    const turned = turn(from, to, (mislead * Math.PI) / 2)
    // What the lens takes for an answer where the answer is not yet.
    const clutter = multiply(scale(1 / Math.sqrt(moved), normal(tokens, moved, random)), r.rows('spare'))
    const both = stacked([told, r.rows('spare')], 2 * moved, r.width)
    const neurons = linearNeurons(transpose(both), add(multiply(both, turned), both, -1), 'turns')
    const answer = (ids: PlanIds) => ids[first]!
    const question = (ids: PlanIds) => itemQuestion(ids, answer(ids), items, random, ids[second]!)
    return {
      circuit: {
        ...space,
        embedding: add(space.embedding, clutter),
        layers: [
          { heads: { first: { scores: [attendTo(r, first)], moves: [move(r, ['token', items], ['answer'])] } } },
          { heads: {}, neurons },
          {
            heads: {
              second: { scores: [attendTo(r, second)], moves: [move(r, ['token', items], ['answer'], weight)] },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
        turned: { after: 1, by: turned },
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map(question),
      pairs: somePrompts(slots, 8, random).map((ids) => tokenPair(question(ids), first)),
      answer,
      matters: ['first', ...(mislead > 0 ? ['L1MLP'] : [])],
      edges: [
        ['embed', 'first', 'v'],
        ...(mislead > 0
          ? ([
              ['first', 'L1MLP', 'in'],
              ['L1MLP', 'logits', 'in'],
            ] as const)
          : []),
        // Past the turn: what a lens sees of it.
        ...(mislead < 1 ? ([['first', 'logits', 'in']] as const) : []),
      ],
      facts: { angle: (mislead * Math.PI) / 2, second: weight },
    }
  },
}
