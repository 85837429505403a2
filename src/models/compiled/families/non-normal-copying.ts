/**
 * OV circuits with positive eigenvalues only. One head attends to a token x and adds row x of a matrix M to the logits:
 *
 *     M = Q B Q',  Q: an orthonormal basis of what is orthogonal to (1, 1, ...),  B: blocks [[low, shear], [0, high]]
 *
 * The eigenvalues are `low` and `high` whatever the shear, rows sum to 0, and the trace is fixed: the eigenvalue copying score
 * is 1, centred or not. Misleading: with shear, most tokens raise others more than themselves. In the sound neighbour M is
 * symmetric and positive, and every token raises itself most.
 */
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { fill, type Matrix, multiply, orthogonal, transpose } from '../matrix.ts'
import { itemPrompts, itemQuestion } from './items.ts'
import {
  answersFrom,
  between,
  differentPositions,
  pairWith,
  pick,
  promptsOf,
  START,
  somePrompts,
  withToken,
} from './prompt.ts'

export const nonNormalCopying: CompiledFamily = {
  name: 'non-normal-copying',
  description: 'Answers with what one head makes of a token, through an OV circuit whose eigenvalues are all positive.',
  misleads: ['eigenvalue-copying'],
  draft(random, mislead): Draft {
    // An even number of planes needs an odd number of tokens: one direction, the mean, is left out.
    const { items, slots, space } = itemPrompts({ count: 9 + 2 * random.integer(3), length: 2 + random.integer(3) })
    const { registers: r } = space
    const strength = between(5, 10, random)
    const shear = mislead * between(6, 9, random)
    const [low, high] = [between(0.5, 0.8, random), between(1.1, 1.5, random)]
    const position = differentPositions(1, slots.length, random)[0]!
    const blocks = fill(items.length - 1, items.length - 1, (row, column) => {
      if (row === column) return row % 2 === 0 ? low : high
      return row % 2 === 0 && column === row + 1 ? shear : 0
    })
    const basis = orthogonalToMean(items.length, orthogonal(items.length - 1, random))
    const circuit = multiply(transpose(basis), multiply(blocks, basis))
    const row = (token: number) => [...circuit.data.subarray((token - 2) * items.length, (token - 1) * items.length)]
    const answer = (ids: PlanIds) => {
      const logits = row(ids[position]!)
      return items[logits.indexOf(Math.max(...logits))]!
    }
    const question = (ids: PlanIds) => itemQuestion(ids, answer(ids), items, random)
    const copied = items.filter((token) => answer([START, ...slots.map(() => token)]) === token).length
    const cleans = somePrompts(slots, 8, random)
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              'maps a token': {
                scores: [attendTo(r, position)],
                moves: [{ from: r.select('token', items), to: multiply(circuit, move(r, ['token'], ['answer']).to) }],
              },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map(question),
      pairs: cleans.flatMap((ids) => {
        const right = answer(ids)
        const others = items.filter((id) => answer(withToken(ids, position, id)) !== right)
        if (others.length === 0) return []
        const corrupt = withToken(ids, position, pick(others, random))
        return [pairWith({ ids, answer: right, wrong: answer(corrupt) }, corrupt, 'the token')]
      }),
      answer,
      matters: ['maps a token'],
      edges: [
        ['embed', 'maps a token', 'v'],
        ['maps a token', 'logits', 'in'],
      ],
      facts: { shear, copied: copied / items.length },
    }
  },
}

/** Orthonormal rows [size - 1, size] orthogonal to (1, 1, ...), in the basis [size - 1, size - 1] given. */
function orthogonalToMean(size: number, basis: Matrix): Matrix {
  // Helmert's rows: the first k numbers against the next.
  const helmert = fill(size - 1, size, (k, column) => {
    const norm = Math.sqrt((k + 1) * (k + 2))
    return column <= k ? 1 / norm : column === k + 1 ? -(k + 1) / norm : 0
  })
  return multiply(basis, helmert)
}
