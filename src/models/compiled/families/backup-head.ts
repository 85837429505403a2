/**
 * A backup head: `primary` moves a token to the answer; `backup`, one layer later, looks at the same token, but rests on
 * the start token as long as what it would move is there already. Whenever the primary head is ablated, be it to zero, to
 * its mean or to another prompt's value, the backup head wakes and writes the token.
 *
 * Misleading: a single ablation shows the primary head's direct effect less what the backup restores: nothing at mislead 1.
 * The sound neighbour's backup head wakes, too, but writes nothing.
 */
import { attendTo, move, SHARP } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { scale } from '../matrix.ts'
import { itemPrompts, itemQuestion, tokenPair } from './items.ts'
import { answersFrom, between, differentPositions, promptsOf, somePrompts, withToken } from './prompt.ts'

export const backupHead: CompiledFamily = {
  name: 'backup-head',
  description: 'Copies one token of the prompt; when the head that does so is ablated, a later one does it.',
  misleads: ['ablation', 'direct-logit-attribution', 'activation-patching'],
  draft(random, mislead): Draft {
    const { items, slots, space } = itemPrompts({ count: 5 + random.integer(3), length: 3 + random.integer(2) })
    const { registers: r } = space
    const strength = between(5, 10, random)
    const position = differentPositions(1, slots.length, random)[0]!
    const answer = (ids: PlanIds) => ids[position]!
    const question = (ids: PlanIds) => itemQuestion(ids, answer(ids), items, random)
    const cleans = somePrompts(slots, 8, random)
    return {
      circuit: {
        ...space,
        layers: [
          {
            heads: {
              primary: { scores: [attendTo(r, position)], moves: [move(r, ['token', items], ['answer'])] },
            },
          },
          {
            heads: {
              backup: {
                scores: [
                  // 2 at the source, 3/2 at the start, and -1 where the token is the answer already
                  attendTo(r, position, 2 * SHARP),
                  attendTo(r, 0, 1.5 * SHARP),
                  { query: scale(-SHARP, r.select('answer')), key: r.select('token', items) },
                ],
                moves: [move(r, ['token', items], ['answer'], mislead)],
              },
            },
          },
        ],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
      },
      inputs: promptsOf(slots),
      // Every token equally often, so that the mean of what the primary head writes is no token.
      questions: somePrompts(slots, 3 * items.length, random).map((ids, i) =>
        question(withToken(ids, position, items[i % items.length]!)),
      ),
      pairs: cleans.map(question).map((asked) => tokenPair(asked, position)),
      answer,
      matters: ['primary'],
      edges: [
        ['embed', 'primary', 'v'],
        ['primary', 'logits', 'in'],
        // Either one that says another token than the other wakes the backup head.
        ...(mislead > 0
          ? ([
              ['primary', 'backup', 'q'],
              ['embed', 'backup', 'k'],
            ] as const)
          : []),
      ],
      compensation:
        mislead > 0
          ? [
              {
                lost: 'primary',
                by: 'backup',
                edges: [
                  ['embed', 'backup', 'v'],
                  ['backup', 'logits', 'in'],
                ],
              },
            ]
          : [],
      facts: { restored: mislead },
    }
  },
}
