import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { openCompiled } from '../../lab/open-compiled.ts'
import { compileModel } from '../../models/compiled/index.ts'
import { directLogitAttribution } from './direct-logit-attribution.ts'
import { DECOMPOSITIONS } from './residual-parts.ts'

const QUESTIONS = [
  { prompt: [1, 4, 2, 5, 3], answer: 6, wrong: 2 },
  { prompt: [3, 0, 5], answer: 1, wrong: 4 },
]

describe('direct logit attribution', () => {
  const opened: { dispose(): Promise<void> }[] = []
  const open = async (...given: Parameters<typeof openToy>) => {
    const model = await openToy(...given)
    opened.push(model)
    return model
  }
  const backend = createNodeBackend({ threads: 1 })
  afterAll(async () => {
    for (const model of opened) await model.dispose()
    await backend.dispose()
  })

  it.each(Object.entries(toyForms))('%s: every decomposition adds up to the logits', async (_, config) => {
    const model = await open(config)
    for (const by of DECOMPOSITIONS) {
      for (const position of [-1, 1]) {
        const { values, checks } = await directLogitAttribution(model, QUESTIONS, { by, position })
        expect(checks[0], `${by} at ${position}`).toMatchObject({ verdict: 'holds' })
        expect(values.values).toHaveLength(values.labels.length)
        const sum = by === 'accumulated' ? values.values.at(-1)! : values.values.reduce((a, b) => a + b, 0)
        expect(sum + values.constant).toBeCloseTo(values.total, 4)
      }
    }
    // The measured total is the difference of the logits themselves where these are not capped.
    const { values } = await directLogitAttribution(model, QUESTIONS)
    if (config.logit_softcap !== null) return
    for (const { prompt, answer, wrong, total } of values.questions) {
      const { logits } = await model.run([prompt.ids])
      expect(total).toBeCloseTo(Number(logits!.data[answer.id]) - Number(logits!.data[wrong!.id]), 5)
    }
  })

  it('means and intervals over questions, and a single logit', async () => {
    const model = await open(toyForms['one after the other']!)
    const { values } = await directLogitAttribution(model, QUESTIONS)
    values.values.forEach((value, i) => {
      expect(value).toBeCloseTo((values.questions[0]!.values[i]! + values.questions[1]!.values[i]!) / 2, 6)
      expect(values.low![i]!).toBeLessThanOrEqual(value + 1e-9)
      expect(values.high![i]!).toBeGreaterThanOrEqual(value - 1e-9)
    })
    const single = await directLogitAttribution(model, [{ prompt: [1, 2, 3], answer: 5 }])
    expect(single.values.metric).toBe('logit')
    expect(single.values.low).toBeNull()
    await expect(directLogitAttribution(model, [{ prompt: [1, 2] }])).rejects.toThrow('splits the logit of an answer')
    await expect(directLogitAttribution(model, [QUESTIONS[0]!, { prompt: [1], answer: 2 }])).rejects.toThrow(
      'do not mix',
    )
  })

  it('an edit behind the stream breaks the sum', async () => {
    const model = await open(toyForms['one after the other']!)
    const edits = [{ hook: 'unembed.hook_in', kind: 'scale', factor: 2 }] as const
    const { checks } = await directLogitAttribution(model, QUESTIONS, { edits })
    expect(checks[0]!.verdict).toBe('fails')
    const unweighed = await directLogitAttribution(model, QUESTIONS, { finalNormWeight: false })
    expect(unweighed.checks[0]!.verdict).toBe('fails')
  })

  it('without norms and later readers, effects are attributions; with them they need not be', async () => {
    const linear = { ...toyForms['without norms']!, n_layers: 1, attn_scales: [0.5], attn_windows: [null] }
    const alone = await open(linear, {
      change: (name, data) => (name.startsWith('blocks.0.mlp.W_in') ? data.fill(0) : data),
    })
    const direct = await directLogitAttribution(alone, QUESTIONS, { by: 'head' })
    expect(direct.checks.slice(0, 3).map(({ verdict }) => verdict)).toEqual(['holds', 'holds', 'holds'])
    const normed = await open(toyForms['one after the other']!, {
      change: (name, data) => (/W_out/.test(name) ? data.map((x) => 5 * x) : data),
    })
    const moved = await directLogitAttribution(normed, QUESTIONS)
    expect(moved.checks[1]!.verdict).toBe('fails')
    expect(moved.checks[2]!.verdict).toBe('fails')
    const states = await directLogitAttribution(alone, QUESTIONS, { by: 'accumulated' })
    expect(states.checks.slice(1).map(({ verdict }) => verdict)).toEqual(['not tested', 'not tested', 'not tested'])
  })

  it('says when a part that writes nothing is needed', async () => {
    const verdictOf = async (name: string) => {
      const compiled = compileModel(name, { seed: 1, mislead: 0 })
      const model = await openCompiled(compiled, backend)
      opened.push(model)
      const asked = compiled.questions.slice(0, 4).map(({ ids, answer, wrong }) => ({ prompt: ids, answer, wrong }))
      const { checks } = await directLogitAttribution(model, asked, { by: 'full' })
      return checks.find((check) => check.name === 'parts that write nothing do nothing')!.verdict
    }
    // The previous-token head writes for the induction head alone; the other model has one head.
    expect(await verdictOf('induction')).toBe('fails')
    expect(await verdictOf('non-normal-copying')).toBe('holds')
  })
})
