/**
 * An OV circuit of one direction: `frequent` attends to a token y and adds to the logits a(y) f, where f is how frequent each token
 * is, and a(y) grows with the frequency of y. The answer is another token x, which `reader` copies.
 *
 *     M = keep 1 + weight a f',   one eigenvalue of the second part: f . a > 0, centred or not
 *
 * Misleading: with keep 0 the eigenvalue copying score is 1, though the head raises the same frequent tokens whatever it reads.
 * In the sound neighbour (weight 0) the head copies, weakly.
 */
import { permutation } from '../../../random/index.ts'
import { attendTo, move } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { add, fill, identity, multiply, scale } from '../matrix.ts'
import { itemPrompts, itemQuestion, tokenPair } from './items.ts'
import { answersFrom, between, differentPositions, pairWith, promptsOf, somePrompts, withToken } from './prompt.ts'

/** The largest share of the copied token's logit that the head adds to any logit. */
const WEAKER = 0.7

export const commonDirection: CompiledFamily = {
  name: 'common-direction',
  description: 'Copies one token of the prompt; another head raises frequent tokens whatever it reads.',
  misleads: ['eigenvalue-copying'],
  draft(random, mislead): Draft {
    const { items, slots, space } = itemPrompts({ count: 8 + random.integer(5), length: 3 + random.integer(2) })
    const { registers: r } = space
    const strength = between(5, 10, random)
    const [first, second] = differentPositions(2, slots.length, random) as [number, number]
    // By rank of frequency, the most frequent first: a falls from 1 to 1/2, f as 1 / rank.
    const rank = [...permutation(items.length, random)]
    const loudness = (i: number) => 1 - rank[i]! / (2 * (items.length - 1))
    const frequency = (i: number) => 1 / (1 + rank[i]!)
    const ranked = (place: number) => items[rank.indexOf(place)]!
    const [most, rarer] = [ranked(0), ranked(items.length - 2)]
    const common = fill(items.length, items.length, (row, column) => loudness(row) * frequency(column))
    const circuit = scale(WEAKER, add(scale(1 - mislead, identity(items.length)), common, mislead))
    const copied = items.filter((_, i) => {
      const row = [...circuit.data.subarray(i * items.length, (i + 1) * items.length)]
      return row.indexOf(Math.max(...row)) === i
    })
    const answer = (ids: PlanIds) => ids[first]!
    const question = (ids: PlanIds) => itemQuestion(ids, answer(ids), items, random, ids[second]!)
    // A rarer token in its place is a lower logit of the most frequent one, and (where the head copies) a higher one of its own.
    const louder = (ids: PlanIds) => withToken(withToken(ids, first, most), second, ranked(1))
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              reader: { scores: [attendTo(r, first)], moves: [move(r, ['token', items], ['answer'])] },
              frequent: {
                scores: [attendTo(r, second)],
                moves: [{ from: r.select('token', items), to: multiply(circuit, r.rows('answer')) }],
              },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
      },
      inputs: promptsOf(slots),
      questions: somePrompts(slots, 16, random).map(question),
      pairs: somePrompts(slots, 6, random).flatMap((ids) => {
        const loud = { ids: louder(ids), answer: most, wrong: rarer }
        return [tokenPair(question(ids), first), pairWith(loud, withToken(loud.ids, second, rarer), 'the other token')]
      }),
      answer,
      matters: ['reader', 'frequent'],
      edges: [
        ['embed', 'reader', 'v'],
        ['reader', 'logits', 'in'],
        ['embed', 'frequent', 'v'],
        ['frequent', 'logits', 'in'],
      ],
      facts: { copied: copied.length / items.length },
    }
  },
}
