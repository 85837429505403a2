/**
 * Previous-token and induction head (Elhage et al. 2021; Olsson et al. 2209.11895): the first writes at every position which
 * token came before; the second looks from the last token for the position that it came before, and copies what stands there.
 * Where a token has not occurred before, the induction head rests on the start token and writes nothing.
 */
import { permutation } from '../../../random/index.ts'
import { attendToPrevious, match, move, SHARP } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { scale } from '../matrix.ts'
import { answersFrom, between, letters, pick, promptSpace, range, START } from './prompt.ts'

/** Different tokens; the context has room for four copies of eight of them. */
const ITEMS = 12
const CONTEXT = 34

export const induction: CompiledFamily = {
  name: 'induction',
  description: 'Continues a repeated sequence: a previous-token head in layer 0, an induction head in layer 1.',
  misleads: [],
  draft(random): Draft {
    const items = range(2, ITEMS)
    const length = 5 + random.integer(3)
    const strength = between(5, 10, random)
    const space = promptSpace({
      tokens: letters(ITEMS),
      context: CONTEXT,
      own: { before: ITEMS, answer: ITEMS },
    })
    const { registers: r } = space
    const sequence = (source = random): number[] =>
      [...permutation(ITEMS, source)].slice(0, length).map((i) => items[i]!)
    const prompt = (source = random): PlanIds => {
      const own = sequence(source)
      // A token that has a follower asks for it.
      return [START, ...own, own[source.integer(length - 1)]!]
    }
    const answer = (ids: PlanIds): number | null => {
      const at = ids.indexOf(ids.at(-1)!)
      return at < ids.length - 1 ? ids[at + 1]! : null
    }
    const question = (ids: PlanIds) => {
      const right = answer(ids)!
      return { ids, answer: right, wrong: pick(items, random, right, ids.at(-1)!) }
    }
    const pairs = range(0, 4).flatMap(() => {
      const ids = sequence()
      const first = random.integer(length - 1)
      // Not its neighbour, so that exchanging two antecedents leaves both followers in their places.
      const second = pick(range(0, length - 1), random, first, first - 1, first + 1)
      const [asked, other] = [ids[first]!, ids[second]!]
      const [follower, otherFollower] = [ids[first + 1]!, ids[second + 1]!]
      const clean = [START, ...ids, asked]
      const exchanged = ids.map((id) => (id === asked ? other : id === other ? asked : id))
      const replaced = ids.map((id) => (id === follower ? absent(ids) : id))
      const pair = { clean, answer: follower, wrong: otherFollower }
      return [
        { ...pair, corrupt: [START, ...exchanged, asked], changes: 'which token came before' },
        { ...pair, corrupt: [START, ...ids, other], changes: 'the last token' },
        { ...pair, corrupt: [START, ...replaced, asked], wrong: absent(ids), changes: 'the follower' },
      ]
    })
    function absent(ids: readonly number[]): number {
      return items.find((id) => !ids.includes(id))!
    }
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              'previous token': { scores: [attendToPrevious(r)], moves: [move(r, ['token', items], ['before'])] },
            },
          },
          {
            heads: {
              induction: {
                scores: [
                  { query: scale(SHARP, r.select('token', items)), key: r.select('before') },
                  match(r, 'one', 'position', SHARP / 2, [0]),
                ],
                moves: [move(r, ['token', items], ['answer'])],
              },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
      },
      inputs: prompt,
      questions: range(0, 12).map(() => question(prompt())),
      pairs,
      answer,
      matters: ['previous token', 'induction'],
      edges: [
        ['embed', 'previous token', 'v'],
        ['previous token', 'induction', 'k'],
        ['embed', 'induction', 'q'],
        ['embed', 'induction', 'v'],
        ['induction', 'logits', 'in'],
      ],
    }
  },
}
