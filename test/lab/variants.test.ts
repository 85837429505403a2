import {
  type Edit,
  type EditFunction,
  klDivergence,
  logitDifference,
  logProbability,
  loss,
  type Metric,
  type MetricFunction,
  type Variant,
} from 'diopter'
import { describe, expect, it } from 'vitest'
import { isAttentionHook, isHeadHook } from '../../src/lab/hook-names.ts'
import type { Model } from '../../src/lab/model.ts'
import { disagreement, families, tokenIds, toyFamilies } from '../support/families.ts'
import { hasReferences } from '../support/reference.ts'
import { openToy, toyForms } from '../support/toy-model.ts'

const note = hasReferences ? '' : ' (toys only: no ../shared/reference)'
const length = 8

/** The metric of every variant by a run of its own. */
async function separately(
  model: Model,
  prompt: readonly number[],
  variants: readonly Variant[],
  metric: Metric | MetricFunction,
): Promise<number[]> {
  const values: number[] = []
  for (const variant of variants) {
    // Edits of one variant act in their order, which a record keeps per hook.
    const edits: Record<string, (EditFunction | Edit)[]> = {}
    for (const edit of variant) (edits[edit.hook] ??= []).push('kind' in edit ? edit : edit.edit)
    const result = await model.run(prompt, { edits, metric, residency: 'inputs' })
    values.push(result.metric![0]!)
  }
  return values
}

async function agrees(
  model: Model,
  variants: readonly Variant[],
  metric: Metric | MetricFunction = logitDifference(2, 5),
  options: { memoryBytes?: number; prompt?: readonly number[] } = {},
): Promise<number[]> {
  const prompt = options.prompt ?? tokenIds(model, length)
  const { base, values } = await model.variants(prompt, variants, metric, options)
  const [plain, ...expected] = await separately(model, prompt, [[], ...variants], metric)
  expect(disagreement([base], [plain!])).toBeLessThanOrEqual(1e-5)
  const wrong = variants.filter((_, i) => disagreement([values[i]!], [expected[i]!]) > 1e-5)
  expect(JSON.stringify(wrong.map((variant) => variant.map((edit) => ({ ...edit }))))).toBe('[]')
  return [...values]
}

/** One declarative edit of every kind at a hook. */
function everyKind(model: Model, hook: string, size: number): Edit[] {
  const other = tokenIds(model, length, 4)
  return [
    // a scale divides
    hook.endsWith('hook_scale') ? { hook, kind: 'replace', value: 0.75 } : { hook, kind: 'zero' },
    { hook, kind: 'resample', from: other },
    { hook, kind: 'mean' },
    { hook, kind: 'mean', prompts: [other, tokenIds(model, length, 6)], per: 'position' },
    { hook, kind: 'replace', value: 0.25 },
    { hook, kind: 'add', value: Array.from({ length: size }, (_, i) => Math.sin(i)), factor: 0.5 },
    { hook, kind: 'scale', factor: 0.5 },
    // masked scores are -inf, which has no component along anything
    /hook_(scale|attn_scores)$/.test(hook)
      ? { hook, kind: 'add', value: 0.5 }
      : { hook, kind: 'project_out', direction: Array.from({ length: size }, (_, i) => Math.cos(i)) },
    { hook, kind: 'clamp', min: -0.25, max: 0.5 },
    { hook, kind: 'freeze' },
  ]
}

/** Regions that fit a hook. */
function regions(hook: string): object[] {
  const places = [{}, { positions: [-1] }, { positions: [2, 6] }]
  const attention = isAttentionHook(hook)
  const heads = attention || isHeadHook(hook) ? [{ heads: [0] }, { heads: [-1], positions: [3] }] : []
  const own = attention ? [{ keys: [0, 2], positions: [-1, 5] }] : hook.endsWith('scale') ? [] : [{ neurons: [1, -1] }]
  return [...places, ...heads, ...own]
}

function sizeOfLastAxis(model: Model, hook: string): number {
  return model.hookPoints.find(({ name }) => name === hook)!.sizes.at(-1) ?? length
}

describe.each(families)(`variants equal separate runs${note}: %s`, (_, open) => {
  it('an edit at every hook', async () => {
    const model = await open()
    const variants = model.hookNames.map((hook, i): Variant => {
      const kinds = everyKind(model, hook, sizeOfLastAxis(model, hook))
      const fitting = regions(hook)
      return [{ ...kinds[(i * 3) % kinds.length]!, ...fitting[i % fitting.length] } as Edit]
    })
    const values = await agrees(model, variants)
    expect(new Set(values).size).toBeGreaterThan(variants.length / 3)
    await model.dispose()
  })
})

describe.each(toyFamilies.slice(1, 3))('variants equal separate runs: %s', (_, open) => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])('every hook, every region, kind %i', async (kind) => {
    const model = await open()
    const variants = model.hookNames.map((hook, i): Variant => {
      const fitting = regions(hook)
      return [
        {
          ...everyKind(model, hook, sizeOfLastAxis(model, hook))[kind]!,
          ...fitting[(i + kind) % fitting.length],
        } as Edit,
      ]
    })
    await agrees(model, variants)
    await model.dispose()
  })
})

describe('variants', () => {
  const config = toyForms['parallel, two norms']!
  const open = () => openToy(config)
  const half: EditFunction = (x) => x.at(':', -2).mul(0.5)

  const several: Variant[] = [
    [
      { hook: 'blocks.0.hook_mlp_out', kind: 'zero', positions: [3] },
      { hook: 'blocks.1.attn.hook_z', kind: 'add', value: 1, heads: [1] },
    ],
    // edits of one hook act in their order, in whatever order other rows have them
    [
      { hook: 'blocks.0.hook_resid_post', kind: 'zero' },
      { hook: 'blocks.0.hook_resid_post', kind: 'add', value: 0.5 },
    ],
    [
      { hook: 'blocks.0.hook_resid_post', kind: 'scale', factor: 2 },
      { hook: 'blocks.0.hook_resid_post', kind: 'add', value: 0.75 },
    ],
    [
      { hook: 'blocks.0.hook_resid_post', kind: 'add', value: 0.75 },
      { hook: 'blocks.0.hook_resid_post', kind: 'scale', factor: 2 },
    ],
    [{ hook: 'blocks.1.hook_resid_pre', edit: half }],
    [
      { hook: 'blocks.0.attn.hook_pattern', edit: (x) => x.at(':', 1, ':', 0).mul(0.5) },
      { hook: 'blocks.1.hook_mlp_out', kind: 'scale', factor: 0.5, positions: [-1] },
    ],
    [
      { hook: 'blocks.0.hook_resid_post', edit: half },
      { hook: 'blocks.0.hook_resid_post', kind: 'scale', factor: 3 },
      { hook: 'blocks.0.hook_resid_post', edit: (x, { positions }) => positions.less(2).unsqueeze(2).where(0, x) },
    ],
    [{ hook: 'blocks.*.attn.hook_result', kind: 'zero', heads: [0], positions: [-1] }],
    [],
  ]

  it('several edits, traced and declarative, mixed', async () => {
    const model = await open()
    const values = await agrees(model, several)
    // a variant without edits is the base run, but in a batch: ONNX Runtime's sums differ in their last bit
    const { base } = await model.variants(tokenIds(model, length), [], logitDifference(2, 5))
    expect(disagreement([values.at(-1)!], [base])).toBeLessThanOrEqual(1e-6)
    await model.dispose()
  })

  it('batches that fit a memory bound give the same', async () => {
    const model = await open()
    const prompt = tokenIds(model, length)
    const whole = await model.variants(prompt, several, logitDifference(2, 5))
    const steps: number[] = []
    const tight = await model.variants(prompt, several, logitDifference(2, 5), {
      memoryBytes: 1,
      onProgress: ({ done }) => steps.push(done),
    })
    expect(steps).toEqual(several.map((_, i) => i + 1))
    expect(disagreement(tight.values, whole.values)).toBeLessThanOrEqual(1e-5)
    await model.dispose()
  })

  it('batches of one entry are one graph, also where they share values differently', async () => {
    const model = await open()
    const prompt = tokenIds(model, length)
    const { n_heads, d_head } = config
    const values = Array.from({ length: 16 }, (_, i) => ({
      shape: [length, n_heads, d_head],
      data: Float32Array.from({ length: length * n_heads * d_head }, (_, at) => Math.sin(at + 10 * i)),
    }))
    // 19 rows at each of two layers, in batches of four, which see three or four of the values; the last has a row too few.
    const swept: Variant[] = Array.from({ length: 38 }, (_, i) => {
      const turn = i % 19
      const value = values[Math.floor(turn * 0.8)]!
      return [{ hook: `blocks.${i < 19 ? 0 : 1}.attn.hook_q`, kind: 'replace', value, heads: [turn % n_heads] }]
    })
    const whole = await agrees(model, swept)
    const { sessions } = model.engine.statistics
    let batches = 1
    const onBatch = () => void batches++
    const { values: found } = await model.variants(prompt, swept, logitDifference(2, 5), { onBatch })
    expect(batches).toBe(10)
    expect(model.engine.statistics.sessions).toBe(sessions + 2)
    expect(disagreement(found, whole)).toBeLessThanOrEqual(1e-5)
    await model.dispose()
  })

  it('positions before the first edited one are shared or not, with the same result', async () => {
    const model = await open()
    const prompt = tokenIds(model, 16)
    const at = (positions: readonly number[]) =>
      [
        'blocks.0.hook_resid_pre',
        'blocks.0.attn.hook_k',
        'blocks.0.attn.hook_pattern',
        'blocks.1.ln2.hook_normalized',
      ].map((hook): Variant => [{ hook, kind: 'scale', factor: 0.5, positions }])
    for (const variants of [at([15]), at([9, 12]), at([0]), [...at([14]), ...at([0]), ...at([-1])]])
      for (const metric of [logitDifference(1, 3), loss()]) await agrees(model, variants, metric, { prompt })
    await model.dispose()
  })

  it('every metric', async () => {
    const model = await open()
    const reference = await model.run(tokenIds(model, length, 9))
    const variants = several.slice(0, 6)
    await agrees(model, variants, logProbability(3))
    await agrees(model, variants, loss())
    await agrees(model, variants, klDivergence([reference.logits!.data as Float32Array]))
    await agrees(model, variants, (logits) => logits.get(':', 2, 1).mul(logits.get(':', -1, 3)))
    await agrees(model, variants, (logits, { tokens }) =>
      logits.get(':', -1).gatherElements(tokens.get(':', '0:1'), 1).squeeze(1),
    )
    await model.dispose()
  })

  it('other values, heads and positions compile nothing', async () => {
    const model = await open()
    const sweep = (seed: number) =>
      model.variants(
        tokenIds(model, length, seed),
        [0, 1, 2, 3].map(
          (i): Variant => [
            {
              hook: `blocks.${i % 2}.attn.hook_z`,
              kind: 'resample',
              from: tokenIds(model, length, seed + 1),
              heads: [(i + seed) % 2],
              positions: [0, 1 + ((i * seed) % 6)],
            },
          ],
        ),
        logitDifference(seed % 7, 3),
      )
    await sweep(1)
    const { compiles } = model.engine.statistics
    await sweep(2)
    await sweep(3)
    expect(model.engine.statistics.compiles).toBe(compiles)
    await model.dispose()
  })

  it('says what is wrong, and ignores nothing', async () => {
    const model = await open()
    const fails = async (variant: Variant, message: RegExp, metric: Metric | MetricFunction = logitDifference(1, 2)) =>
      expect(model.variants(tokenIds(model, length), [variant], metric)).rejects.toThrow(message)
    await fails([{ hook: 'blocks.0.hook_mlp', kind: 'zero' }], /blocks.0.hook_mlp_out/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'zero', positions: [8] }], /asks for position 8/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'zero', positions: [-9] }], /asks for position -9/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'zero', positions: [] }], /empty list of positions/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'zero', heads: [0] }], /names heads/)
    await fails([{ hook: 'blocks.0.attn.hook_z', kind: 'zero', heads: [2] }], /heads? 2/)
    await fails([{ hook: 'blocks.0.attn.hook_z', kind: 'zero', keys: [0] }], /names keys/)
    await fails([{ hook: 'blocks.0.attn.hook_pattern', kind: 'zero', neurons: [0] }], /names neurons/)
    await fails([{ hook: 'blocks.0.attn.hook_pattern', kind: 'zero', keys: [8] }], /keys? (position )?8/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'replace', value: [1, 2, 3] }], /shape \[3\]/)
    const square = { shape: [3, 8], data: new Float32Array(24) }
    await fails([{ hook: 'blocks.1.attn.hook_pattern', kind: 'replace', value: square }], /shape \[3, 8\]/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'resample', from: tokenIds(model, 1) }], /prompt of 1 tokens/)
    await fails(
      [{ hook: 'blocks.0.attn.hook_pattern', kind: 'mean', prompts: [tokenIds(model, 5)] }],
      /prompt of 5 tokens/,
    )
    await fails([{ hook: 'blocks.0.hook_mlp_out', edit: (x) => x.get(':', 0) }], /returned float32 \[1, 8\]/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'zero' }], /returned shape/, (logits) => logits.sum())
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'zero' }], /logits and tokens only/, (_, { activation }) =>
      activation('hook_embed').sum([1, 2]),
    )
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'nought' } as unknown as Edit], /the kind 'nought'/)
    await fails([{ hook: 'blocks.0.hook_mlp_out', kind: 'zero' }], /outside the vocabulary/, logProbability(7))
    await expect(model.variants([], [], loss())).rejects.toThrow(/empty list/)
    await expect(model.variants(tokenIds(model, 25), [], loss())).rejects.toThrow(/context is 24/)
    const controller = new AbortController()
    controller.abort()
    await expect(model.variants([1, 2], [], loss(), { signal: controller.signal })).rejects.toThrow()
    await model.dispose()
  })

  it('aborted between batches, it keeps those that are done', async () => {
    const model = await open()
    const controller = new AbortController()
    let batches = 0
    const prompt = tokenIds(model, length)
    const whole = await model.variants(prompt, several, logitDifference(1, 2), { memoryBytes: 1 })
    expect(whole.complete).toBe(true)
    const cut = await model.variants(prompt, several, logitDifference(1, 2), {
      memoryBytes: 1,
      signal: controller.signal,
      onProgress: () => {
        if (++batches === 2) controller.abort()
      },
    })
    expect(batches).toBe(2)
    expect(cut).toMatchObject({ complete: false, base: whole.base })
    expect(cut.values).toHaveLength(several.length)
    const done = cut.values.flatMap((value, i) => (Number.isNaN(value) ? [] : [i]))
    expect(done).toHaveLength(2)
    for (const i of done) expect(cut.values[i]).toBe(whole.values[i])
    await model.dispose()
  })
})
