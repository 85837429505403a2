import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { activationPatching } from './activation-patching.ts'
import { attributionPatching } from './attribution-patching.ts'
import { PATCH_WHATS } from './patch-grid.ts'

const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 5, 3], answer: 0, wrong: 2 }

describe('attribution patching', () => {
  const opened: { dispose(): Promise<void> }[] = []
  const open = async (...given: Parameters<typeof openToy>) => {
    const model = await openToy(...given)
    opened.push(model)
    return model
  }
  afterAll(() => Promise.all(opened.map((model) => model.dispose())))

  it('is exact in a linear model', async () => {
    // Without norms and MLPs, and with attention that does not look at tokens, logits are linear in the embeddings.
    const linear = { ...toyForms['without norms']!, attn_only: true, d_mlp: 0, act_fn: null }
    const model = await open(linear, { change: (name, data) => (/W_[QK]$|b_[QK]$/.test(name) ? data.fill(0) : data) })
    for (const what of ['resid_pre', 'attn_out', 'z', 'v'] as const) {
      const { values, checks } = await attributionPatching(model, [PAIR], { what })
      const exact = await activationPatching(model, [PAIR], { what, bothDirections: false })
      const effects = (exact.values.values as number[][]).flat().map((value) => value - exact.values.corrupt)
      const estimates = (values.values as number[][]).flat()
      estimates.forEach((estimate, i) => {
        expect(estimate).toBeCloseTo(effects[i]!, 4)
      })
      expect(checks.map(({ verdict }) => verdict)).toEqual(['holds', 'holds'])
    }
  })

  it('every activation: the estimates of the checked cells approach the effects of small differences', async () => {
    const model = await open(toyForms['one after the other']!, {
      // Tokens 4 and 6 differ by little, so that the tangent is good.
      change(name, data) {
        if (name !== 'embed.W_E') return data
        const size = data.length / 7
        for (let i = 0; i < size; i++) data[6 * size + i] = data[4 * size + i]! + 0.003 * ((i % 3) - 1)
        return data
      },
    })
    for (const what of PATCH_WHATS) {
      for (const direction of ['clean_into_corrupted', 'corrupted_into_clean'] as const) {
        const { values } = await attributionPatching(model, [PAIR], { what, direction })
        for (const { estimate, effect } of values.exact) expect(Math.abs(estimate - effect), what).toBeLessThan(1e-4)
      }
    }
  })

  it('both checks fail where the metric bends', async () => {
    const model = await open(toyForms['one after the other']!, {
      change: (name, data) => (/W_[QK]$|mlp.W/.test(name) ? data.map((x) => 20 * x) : data),
    })
    const { checks } = await attributionPatching(model, [PAIR], { what: 'resid_pre' })
    expect(checks.map(({ verdict }) => verdict)).toEqual(['fails', 'fails'])
    const unequal = await attributionPatching(model, [{ ...PAIR, clean: [1, 4, 2, 2, 5, 3] }], { what: 'resid_pre' })
    expect(unequal.checks[1]!.verdict).toBe('not tested')
  })

  it('pairs give means', async () => {
    const model = await open(toyForms['grouped queries, gated, rotary']!)
    const pairs = [PAIR, { ...PAIR, clean: [1, 4, 3, 5, 3], corrupt: [1, 6, 3, 5, 3] }]
    const both = (await attributionPatching(model, pairs, { what: 'k' })).values
    expect(both.axes.key_value_head).toEqual([0])
    const each = await Promise.all(pairs.map((pair) => attributionPatching(model, [pair], { what: 'k' })))
    const [a, b] = each.map(({ values }) => (values.values as number[][]).flat()) as [number[], number[]]
    ;(both.values as number[][]).flat().forEach((value, i) => {
      expect(value).toBeCloseTo((a[i]! + b[i]!) / 2, 5)
    })
  })
})
