import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../test/support/toy-model.ts'
import type { Model } from '../lab/index.ts'
import { loadModel } from '../lab/node/load-model.ts'
import { renderSvg, renderText, viewTable } from '../views/index.ts'
import {
  methodNames,
  parseResult,
  parseSpec,
  type RunResult,
  type RunSpecInput,
  resultToJson,
  runSpec,
  viewsOf,
} from './index.ts'
import { PAIR, TOY_SPECS, toySpec } from './toy-specs.fixture.ts'

const EDITS: RunSpecInput['edits'] = [{ hook: 'blocks.0.mlp.hook_post', kind: 'scale', factor: 0.2 }]

describe('runs on a toy model', () => {
  const models: Model[] = []
  const openModel = async () => {
    const model = await openToy(toyForms['one after the other']!)
    models.push(model)
    return model
  }
  afterAll(() => Promise.all(models.map((model) => model.dispose())))

  it('every method is in the list of these tests', () => {
    expect(new Set(TOY_SPECS.map(({ method }) => method))).toEqual(new Set(methodNames))
  })

  it.each(TOY_SPECS.map((spec, i) => [`${i} ${spec.method} ${JSON.stringify(spec.parameters)}`, spec] as const))(
    '%s: survives JSON, repeats exactly, and its pictures draw',
    async (_, spec) => {
      const result = await runSpec(spec, { openModel })
      const text = resultToJson(result)
      const read = parseResult(JSON.parse(text))
      expect(read).toEqual(result)
      expect(parseResult(JSON.parse(resultToJson(read)))).toEqual(read)
      const again = await runSpec(JSON.parse(JSON.stringify(read.spec)), { openModel })
      expect(again.values).toEqual(result.values)
      expect(again.checks).toEqual(result.checks)
      expect(again.spec).toEqual(result.spec)
      expect(result.provenance.seed).toBe(spec.seed ?? 0)
      expect(result.cost.runs).toBeGreaterThan(0)
      for (const { view, props } of viewsOf(read)) {
        expect(renderSvg(view, props)).toContain('<svg')
        expect(renderText(view, props, { width: 80, color: 'none', unicode: true } as never).length).toBeGreaterThan(1)
        expect(viewTable(view, props).rows.length).toBeGreaterThan(0)
      }
      if (spec.method !== 'capture' && spec.method !== 'generate') {
        expect(viewsOf(read).length).toBeGreaterThan(0)
        expect(result.checks.length).toBeGreaterThan(0)
      }
    },
  )

  it.each(methodNames)('%s: edits of the spec change what it sees', async (method) => {
    const spec = TOY_SPECS.find((one) => one.method === method && one.prompts.length > 0)!
    const plain = await runSpec(spec, { openModel })
    const edited = await runSpec({ ...spec, edits: EDITS }, { openModel })
    if (method !== 'generate') expect(edited.values).not.toEqual(plain.values)
    expect(plain.edits).toEqual([])
    expect(edited.edits).toMatchObject([{ kind: 'scale' }])
    expect(edited.edits[0]!.fired).toBeGreaterThanOrEqual(edited.cost.variants)
    expect(edited.edits[0]!.fired).toBeGreaterThan(0)
    expect(parseResult(JSON.parse(resultToJson(edited))).edits).toEqual(edited.edits)
  })

  it('captured arrays keep what JSON lacks', async () => {
    const spec = TOY_SPECS.find(({ method }) => method === 'capture')!
    const result = await runSpec(spec, { openModel })
    const read = parseResult(JSON.parse(resultToJson(result)))
    const scores = (read.values.arrays as Record<string, { data: Float32Array }>)['blocks.0.attn.hook_attn_scores']!
    expect(scores.data).toBeInstanceOf(Float32Array)
    expect([...scores.data]).toContain(Number.NEGATIVE_INFINITY)
    expect([...scores.data].some(Number.isNaN)).toBe(true)
  })

  it('partial results are results: they have pictures and survive JSON', async () => {
    const partials: RunResult[] = []
    const spec = toySpec('patch', [PAIR], { what: 'resid_pre' })
    const result = await runSpec(spec, { openModel, onPartial: (partial) => partials.push(partial) })
    expect(partials.length).toBeGreaterThan(8)
    const missing = partials.map(({ values }) =>
      (values.values as (number | null)[][]).flat().filter((x) => x === null),
    )
    expect(missing[0]!.length).toBeGreaterThan(0)
    expect(missing.at(-1)).toEqual([])
    for (const partial of partials) {
      expect(parseResult(JSON.parse(resultToJson(partial)))).toEqual(partial)
      expect(partial).toMatchObject({ complete: false, spec: result.spec })
      for (const { view, props } of viewsOf(partial)) expect(renderSvg(view, props)).toContain('<svg')
    }
    expect(result.complete).toBe(true)
  })

  it('a cancelled run keeps what is done and says so', async () => {
    const controller = new AbortController()
    const result = await runSpec(toySpec('lens', [[1, 2], [3, 4], [5]]), {
      openModel,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    expect(result.complete).toBe(false)
    expect(result.values.prompts).toHaveLength(1)
    expect(parseResult(JSON.parse(resultToJson(result))).complete).toBe(false)
  })
})

describe('specs', () => {
  const message = (spec: unknown) => {
    try {
      parseSpec(spec)
    } catch (error) {
      return (error as Error).message
    }
    return 'valid'
  }
  const good = toySpec('patch', [PAIR], { what: 'resid_pre' })

  it('fills in defaults', () => {
    expect(parseSpec(good)).toEqual({ ...good, edits: [], seed: 0, dtype: 'float32', backend: 'cpu' })
  })

  it.each<[string, unknown, RegExp]>([
    ['no object', 7, /the whole.*Object/s],
    ['another version', { ...good, version: 2 }, /version: .*expected 1/is],
    ['no model', { ...good, model: undefined }, /model/],
    ['an unknown key', { ...good, promts: [] }, /promts: there is no 'promts'; did you mean prompts/],
    [
      'an unknown key of the model',
      { ...good, model: { ref: 'x', process: {} } },
      /model.process: .*did you mean processing/,
    ],
    ['an unknown method', { ...good, method: 'patsch' }, /no method 'patsch'; did you mean patch.*All: predict, lens/],
    [
      'an unknown parameter',
      { ...good, parameters: { what: 'z', headz: [1] } },
      /headz: there is no 'headz'; did you mean heads/,
    ],
    ['a parameter that is missing', { ...good, parameters: {} }, /what: is missing/],
    ['a parameter of another kind', { ...good, parameters: { what: 'resid' } }, /what: .*"resid_pre"/],
    ['a fractional index', { ...good, parameters: { what: 'z', layers: [0.5] } }, /layers.0: .*integer/],
    ['prompts of another form', { ...good, prompts: ['text'] }, /prompts.*'patch'.* 0: .*Object/s],
    ['no prompts', { ...good, prompts: [] }, /prompts/],
    ['an unknown edit', { ...good, edits: [{ hook: 'h', kind: 'zap' }] }, /edits.0.kind/],
    ['an edit that lacks a number', { ...good, edits: [{ hook: 'h', kind: 'scale' }] }, /edits.0.factor: is missing/],
    ['an edit with a stray key', { ...good, edits: [{ hook: 'h', kind: 'zero', head: 1 }] }, /edits.0.head/],
    [
      'values that do not fill their shape',
      { ...good, edits: [{ hook: 'h', kind: 'add', value: { shape: [2], data: [1] } }] },
      /edits.0.value/,
    ],
    ['a seed below 0', { ...good, seed: -1 }, /seed/],
    ['another dtype', { ...good, dtype: 'float16' }, /dtype/],
  ])('%s is an error that says where', (_, spec, expected) => {
    expect(message(spec)).toMatch(expected)
  })

  it('edits with arrays reach the model', async () => {
    const model = await openToy(toyForms['one after the other']!)
    const value = { shape: [8], data: [1, 0, 0, 0, 0, 0, 0, 2] }
    const spec = toySpec(
      'capture',
      [[1, 2]],
      { hooks: ['hook_embed'] },
      { edits: [{ hook: 'hook_embed', kind: 'replace', value }] },
    )
    const { values } = await runSpec(spec, { openModel: async () => model })
    const arrays = values.arrays as Record<string, { data: Float32Array }>
    expect([...arrays.hook_embed!.data]).toEqual([...value.data, ...value.data])
    await model.dispose()
  })
})

const stories = fileURLToPath(new URL('../../../shared/checkpoints/stories260K', import.meta.url))

describe.skipIf(!existsSync(stories))('runs on stories260K (skipped without ../shared/checkpoints)', () => {
  it('a written spec is repeated exactly by a model opened anew', async () => {
    const openModel = ({ ref }: { ref: string }) => loadModel(ref)
    const prompt = 'Once upon a time, there was a little girl named'
    const specs: RunSpecInput[] = [
      { ...toySpec('lens', [prompt]), model: { ref: stories } },
      {
        ...toySpec('attribute', [{ prompt, answer: ' Lily', wrong: ' Tim' }], { by: 'head' }),
        model: { ref: stories },
      },
      { ...toySpec('ablate', [{ prompt, answer: ' Lily', wrong: ' Tim' }]), model: { ref: stories } },
      {
        ...toySpec(
          'patch',
          [
            {
              clean: prompt,
              corrupt: 'Once upon a time, there was a little boy named',
              answer: ' Lily',
              wrong: ' Tim',
            },
          ],
          { what: 'resid_pre' },
        ),
        model: { ref: stories },
      },
      { ...toySpec('generate', [''], { tokens: 20 }), model: { ref: stories } },
    ]
    for (const spec of specs) {
      const first = await openModel({ ref: stories })
      const result = await runSpec(spec, { openModel: async () => first })
      await first.dispose()
      const second = await openModel({ ref: stories })
      const again = await runSpec(parseResult(JSON.parse(resultToJson(result))).spec, { openModel: async () => second })
      await second.dispose()
      expect(again.values).toEqual(result.values)
    }
  })
})
