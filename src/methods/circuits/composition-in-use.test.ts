import { expect, it } from 'vitest'
import { openToy } from '../../../test/support/toy-model.ts'
import { toyConfig } from '../../../test/support/toy-models.ts'
import { circuits } from './circuits.ts'

const [LAYERS, HEADS, SIZE] = [2, 4, 4]
const PROMPT = [1, 4, 2, 6, 3, 5]
const ROTARY = { positional_embedding_type: 'rotary' as const, rotary_dim: SIZE }

type Values = ArrayLike<number | bigint>
type Rows = (p: number, head: number) => number[]

/** Squares of the deviations from the mean. */
function spread(values: readonly number[]): number {
  const mean = values.reduce((sum, x) => sum + x) / values.length
  return values.reduce((sum, x) => sum + (x - mean) ** 2, 0)
}

// Without a norm what a head adds to a later query, key or value is what is gone without the head, exactly.
it.each([
  ['learned positions', {}],
  ['rotary positions', ROTARY],
  ['two heads to a key', { ...ROTARY, n_key_value_heads: HEADS / 2 }],
])('is what ablating the earlier head takes from the later (%s)', async (_, rest) => {
  const shape = { attn_only: true, normalization_type: null, final_norm: false, n_layers: LAYERS, n_heads: HEADS }
  const model = await openToy(toyConfig({ ...shape, d_head: SIZE, ...rest }))
  const rotary = model.config.positional_embedding_type === 'rotary' ? 'hook_rot_' : 'hook_'
  const hooks = [`${rotary}q`, `${rotary}k`, 'hook_v'].map((hook) => `blocks.1.attn.${hook}`)
  /** Of every hook [P, H or Hk, f] the row of a position and a head. */
  const run = async (without: readonly number[]) => {
    const edits = without.map((head) => ({ hook: 'blocks.0.attn.hook_z', kind: 'zero' as const, heads: [head] }))
    const { captures } = await model.run([PROMPT], { capture: hooks, edits, positions: 'none' })
    return hooks.map((hook) => {
      const data = captures[hook]!.data as Values
      const heads = data.length / PROMPT.length / SIZE
      return (p: number, head: number) =>
        Array.from({ length: SIZE }, (_, f) =>
          Number(data[(p * heads + Math.floor((head * heads) / HEADS)) * SIZE + f]),
        )
    })
  }
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
  /** Scores [query, key], their deviations from each query's mean over the keys that it sees. */
  const ofScores = (query: (i: number) => number[], key: (j: number) => number[]) =>
    PROMPT.reduce((sum, _, i) => sum + spread(PROMPT.slice(0, i + 1).map((_, j) => dot(query(i), key(j)))), 0)
  /** Values [P, f], their deviations from the mean over positions. */
  const ofValues = (value: (p: number) => number[]) =>
    Array.from({ length: SIZE }, (_, f) => spread(PROMPT.map((_, p) => value(p)[f]!))).reduce((sum, x) => sum + x)

  const [q, k, v] = (await run([])) as [Rows, Rows, Rows]
  const { values } = await circuits(model, [PROMPT])
  for (let from = 0; from < HEADS; from++) {
    const without = await run([from])
    const made = [q, k, v].map((row, i) => (p: number, head: number) => {
      const rest = without[i]!(p, head)
      return row(p, head).map((x, f) => x - rest[f]!)
    }) as [Rows, Rows, Rows]
    for (let to = 0; to < HEADS; to++) {
      const of = (rows: Rows) => (p: number) => rows(p, to)
      const expected = {
        Q: ofScores(of(made[0]), of(k)) / ofScores(of(q), of(k)),
        K: ofScores(of(q), of(made[1])) / ofScores(of(q), of(k)),
        V: ofValues(of(made[2])) / ofValues(of(v)),
      }
      for (const kind of ['Q', 'K', 'V'] as const) {
        const pair = values.compositions[kind].find((one) => one.from.head === from && one.to.head === to)!
        expect(pair.used).toBeCloseTo(Math.sqrt(expected[kind]), 4)
      }
    }
  }
  await model.dispose()
})
