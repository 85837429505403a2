/**
 * A composition channel of rank one through queries: `signals`, at the last position in layer 0, writes to one direction (`channel`)
 * whether a switch token stands at its place; `chooses`, in layer 1, then attends to one place, otherwise to another, and copies
 * the token. Of what both can write and ask for, that direction holds the given share of the norm, as in composition-channel.ts.
 *
 * Misleading: the Frobenius score of the pair's Q-composition is that of random heads. In the sound neighbour the shared direction
 * holds most of the norm.
 */
import { permutation } from '../../../random/index.ts'
import { attendTo, type HeadPlan, move, SHARP } from '../circuit.ts'
import type { CompiledFamily, Draft, PlanIds } from '../compile.ts'
import { scale } from '../matrix.ts'
import { MARK } from './marker-circuit.ts'
import { NOISE_RANK, noiseHeads, underNoise, VISIBLE_SHARE } from './noise.ts'
import {
  ASK,
  answersFrom,
  between,
  differentPositions,
  letters,
  pick,
  promptSpace,
  range,
  START,
  withToken,
} from './prompt.ts'

export const switchChannel: CompiledFamily = {
  name: 'switch-channel',
  description:
    'Copies one of two tokens, as a switch says, by Q-composition through a single direction under much noise.',
  misleads: ['composition'],
  draft(random, mislead): Draft {
    const items = range(3, 6)
    const length = 3 + random.integer(3)
    const strength = between(5, 10, random)
    const [at, on, off] = differentPositions(3, length, random) as [number, number, number]
    const space = promptSpace({
      tokens: ['!', ...letters(items.length)],
      context: length + 2,
      own: { channel: 1, answer: items.length, dead: NOISE_RANK, spare: 8 + random.integer(8) },
    })
    const { registers: r } = space
    const share = VISIBLE_SHARE + mislead * (between(0.05, 0.12, random) - VISIBLE_SHARE)
    const noisy = (head: HeadPlan) => underNoise(head, share, r, ['channel'], random)
    const idle = (layer: number) => noiseHeads(layer, 2, r, ['channel'], random)
    const signals = noisy({ scores: [attendTo(r, at)], moves: [move(r, ['token', [MARK]], ['channel'])] })
    const chooses = noisy({
      scores: [
        { query: scale(SHARP, r.select('channel')), key: r.select('position', [on]) },
        attendTo(r, off, SHARP / 2),
      ],
      moves: [move(r, ['token', items], ['answer'])],
    })
    const chosen = (ids: PlanIds) => (ids[at] === MARK ? on : off)
    const answer = (ids: PlanIds) => ids[chosen(ids)]!
    const prompt = (source: typeof random): PlanIds => {
      const middle = [...permutation(items.length, source)].slice(0, length).map((i) => items[i]!)
      if (source.integer(2) === 1) middle[at - 1] = MARK
      return [START, ...middle, ASK]
    }
    const other = (ids: PlanIds) => ids[on + off - chosen(ids)]!
    const pairs = range(0, 4).flatMap(() => {
      const clean = prompt(random)
      const fresh = items.find((id) => !clean.includes(id))!
      const right = answer(clean)
      const turned = withToken(clean, at, clean[at] === MARK ? fresh : MARK)
      return [
        { clean, corrupt: turned, answer: right, wrong: other(clean), changes: 'the switch' },
        {
          ...{ clean, corrupt: withToken(clean, chosen(clean), fresh), answer: right, wrong: fresh },
          changes: 'the token',
        },
      ]
    })
    return {
      circuit: {
        ...space,
        layers: [{ heads: { signals, ...idle(0) } }, { heads: { chooses, ...idle(1) } }],
        unembedding: answersFrom(space, 'answer', items, strength),
        norm: null,
      },
      inputs: prompt,
      questions: range(0, 16).map(() => {
        const ids = prompt(random)
        return { ids, answer: answer(ids), wrong: pick(ids.slice(1, -1), random, answer(ids), MARK) }
      }),
      pairs,
      answer,
      matters: ['signals', 'chooses'],
      edges: [
        ['embed', 'signals', 'v'],
        ['signals', 'chooses', 'q'],
        ['embed', 'chooses', 'v'],
        ['chooses', 'logits', 'in'],
      ],
      facts: { share },
    }
  },
}
