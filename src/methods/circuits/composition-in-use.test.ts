import { expect, it } from 'vitest'
import { openToy } from '../../../test/support/toy-model.ts'
import { toyConfig } from '../../../test/support/toy-models.ts'
import { circuits } from './circuits.ts'

const [LAYERS, HEADS, SIZE] = [2, 3, 4]

// Without a norm what a head adds to a later query, key or value is what is gone without the head, exactly.
it.each([
  ['learned positions', {}],
  ['rotary positions', { positional_embedding_type: 'rotary' as const, rotary_dim: SIZE }],
])('is what ablating the earlier head takes from the later (%s)', async (_, positions) => {
  const shape = { attn_only: true, normalization_type: null, final_norm: false, n_layers: LAYERS, n_heads: HEADS }
  const model = await openToy(toyConfig({ ...shape, d_head: SIZE, ...positions }))
  const [query, key] = Object.keys(positions).length > 0 ? ['hook_rot_q', 'hook_rot_k'] : ['hook_q', 'hook_k']
  const hooks = [query, key, 'hook_v'].map((hook) => `blocks.1.attn.${hook}`)
  const prompt = [1, 4, 2, 6, 3, 5]
  const capture = async (edits: object[]) => {
    const { captures } = await model.run([prompt], { capture: hooks, edits: edits as never, positions: 'none' })
    // [P, H, f]
    return hooks.map((hook) => captures[hook]!.data as Float32Array)
  }
  const whole = await capture([])
  const { values } = await circuits(model, [prompt])
  const at = (data: Float32Array, p: number, h: number) =>
    data.subarray((p * HEADS + h) * SIZE, (p * HEADS + h + 1) * SIZE)
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
  // mean square over what is seen, less the mean over keys
  const spread = (score: (i: number, j: number) => number) =>
    prompt.reduce((sum, _, i) => {
      const row = prompt.slice(0, i + 1).map((_, j) => score(i, j))
      const mean = row.reduce((a, b) => a + b) / row.length
      return sum + row.reduce((total, x) => total + (x - mean) ** 2, 0)
    }, 0)
  for (let from = 0; from < HEADS; from++) {
    const without = await capture([{ hook: 'blocks.0.attn.hook_z', kind: 'zero', heads: [from] }])
    const made = whole.map((data, i) => data.map((x, j) => x - without[i]![j]!))
    for (let to = 0; to < HEADS; to++) {
      const all = spread((i, j) => dot(at(whole[0]!, i, to), at(whole[1]!, j, to)))
      const expected = {
        Q: Math.sqrt(spread((i, j) => dot(at(made[0]!, i, to), at(whole[1]!, j, to))) / all),
        K: Math.sqrt(spread((i, j) => dot(at(whole[0]!, i, to), at(made[1]!, j, to))) / all),
      }
      for (const kind of ['Q', 'K'] as const) {
        const pair = values.compositions[kind].find((one) => one.from.head === from && one.to.head === to)!
        expect(pair.used).toBeCloseTo(expected[kind], 4)
      }
    }
  }
  await model.dispose()
})
