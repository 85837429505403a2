import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { logitLens } from './logit-lens.ts'

const PROMPTS = [
  [1, 4, 2, 5, 3],
  [6, 0, 2],
]

/** Layers that write nothing: the stream is the embedding at every depth. */
const silentLayers = (name: string, data: Float32Array) => (/W_O|b_O|W_out|b_out/.test(name) ? data.fill(0) : data)

describe('logit lens', () => {
  const opened: { dispose(): Promise<void> }[] = []
  const open = async (...given: Parameters<typeof openToy>) => {
    const model = await openToy(...given)
    opened.push(model)
    return model
  }
  afterAll(() => Promise.all(opened.map((model) => model.dispose())))

  it.each(Object.entries(toyForms))(
    '%s: the last row is the model, and every row follows from its stream',
    async (_, config) => {
      const model = await open(config)
      const { values, checks } = await logitLens(model, PROMPTS, { topK: 3 })
      expect(checks[0]).toMatchObject({ name: 'the lens at the last layer is the model', verdict: 'holds' })
      for (const [i, prompt] of [[0, PROMPTS[0]!]] as const) {
        const { cells } = values.prompts[i]!
        expect(cells).toHaveLength(config.n_layers + 1)
        for (const [layer, row] of cells.entries()) {
          // The model whose later layers are replaced by the stream of this one: its logits are the lens.
          const hook = layer === 0 ? 'blocks.0.hook_resid_pre' : `blocks.${layer - 1}.hook_resid_post`
          const last = `blocks.${config.n_layers - 1}.hook_resid_post`
          const { captures } = await model.run([prompt], { capture: hook })
          const { shape, data } = captures[hook]!
          const value = { shape: shape.slice(1), data }
          const { logits } = await model.run([prompt], {
            positions: 'all',
            edits: [{ hook: last, kind: 'replace', value }],
          })
          const final = await model.run([prompt], { positions: 'all' })
          row.forEach((cell, position) => {
            const p = softmax(rowOf(logits!, position))
            const q = softmax(rowOf(final.logits!, position))
            const order = p.map((_, id) => id).sort((a, b) => p[b]! - p[a]!)
            expect(cell.top.map(({ id }) => id)).toEqual(order.slice(0, 3))
            cell.top.forEach(({ id, probability }) => {
              expect(probability).toBeCloseTo(p[id]!, 5)
            })
            expect(cell.rank).toBe(order.indexOf(q.indexOf(Math.max(...q))))
            expect(cell.kl).toBeCloseTo(sum(q.map((x, id) => x * Math.log(x / p[id]!))), 4)
            expect(cell.entropy).toBeCloseTo(-sum(p.map((x) => x * Math.log(x))), 4)
          })
        }
      }
    },
  )

  it('an edit behind the last layer breaks the first check', async () => {
    const model = await open(toyForms['one after the other']!)
    const edits = [{ hook: 'unembed.hook_in', kind: 'scale', factor: 2 }] as const
    const { checks } = await logitLens(model, PROMPTS, { edits })
    expect(checks[0]!.verdict).toBe('fails')
  })

  it('rows are closer than a guess, and marginals agree, when layers write nothing, and not when a layer turns the stream around', async () => {
    const config = toyForms['one after the other']!
    const silent = await logitLens(await open(config, { change: silentLayers }), PROMPTS)
    expect(silent.checks.map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'holds'])
    const edits = [{ hook: 'blocks.1.hook_resid_post', kind: 'scale', factor: -1 }] as const
    const turned = await logitLens(
      await open(config, {
        change: (name, data) => (name === 'unembed.W_U' ? data.map((x) => 9 * x) : silentLayers(name, data)),
      }),
      [[1], [4]],
      { edits },
    )
    expect(turned.checks.map(({ verdict }) => verdict)).toEqual(['holds', 'fails', 'fails'])
  })

  it('refuses more tokens than there are, and keeps what is done when cancelled', async () => {
    const model = await open(toyForms['one after the other']!)
    await expect(logitLens(model, PROMPTS, { topK: 8 })).rejects.toThrow('from 1 to 7')
    const controller = new AbortController()
    const partial = await logitLens(model, PROMPTS, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    expect(partial.complete).toBe(false)
    expect(partial.values.prompts).toHaveLength(1)
    await expect(logitLens(model, PROMPTS, { signal: controller.signal })).rejects.toThrow()
  })
})

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

function rowOf({ shape, data }: { shape: readonly number[]; data: ArrayLike<number | bigint> }, position: number) {
  const size = shape[2]!
  return Array.from({ length: size }, (_, i) => Number(data[position * size + i]))
}

function softmax(logits: readonly number[]): number[] {
  const peak = Math.max(...logits)
  const weights = logits.map((x) => Math.exp(x - peak))
  return weights.map((x) => x / sum(weights))
}
