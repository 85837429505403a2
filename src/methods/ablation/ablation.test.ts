import { afterAll, describe, expect, it } from 'vitest'
import { inSmallBatches, openToy, toyForms } from '../../../test/support/toy-model.ts'
import type { Edit } from '../../lab/index.ts'
import { logitDifference, loss } from '../../lab/index.ts'
import { ablation } from './ablation.ts'
import { ABLATABLE } from './ablation-parts.ts'

const QUESTION = { prompt: [1, 4, 2, 5, 3], answer: 0, wrong: 2 }
const REFERENCE = [
  [6, 2, 1, 3, 0],
  [2, 2, 4, 0, 5, 1],
]
const config = toyForms['one after the other']!

describe('ablation', () => {
  const opened: { dispose(): Promise<void> }[] = []
  const open = async (...given: Parameters<typeof openToy>) => {
    const model = await openToy(...given)
    opened.push(model)
    return model
  }
  afterAll(() => Promise.all(opened.map((model) => model.dispose())))

  it('cancelled within a sweep, it keeps the cells that are done', async () => {
    const model = await open(config)
    inSmallBatches(model)
    const whole = await ablation(model, [QUESTION])
    const controller = new AbortController()
    let steps = 0
    const cut = await ablation(model, [QUESTION], {
      signal: controller.signal,
      onProgress: () => {
        if (++steps === 3) controller.abort()
      },
    })
    expect([whole.complete, cut.complete]).toEqual([true, false])
    const [all, some] = [whole, cut].map(({ values }) => (values.values as (number | null)[][]).flat())
    const done = some!.flatMap((value, i) => (value === null ? [] : [i]))
    expect(done).toHaveLength(3)
    for (const i of done) expect(some![i]).toBe(all![i])
    expect(cut.cost.variants).toBe(3)
    expect(cut.values.loss).toBeNull()
    expect(cut.checks.map(({ verdict }) => verdict)).toEqual(['not tested'])
  })

  it('zero and mean ablation of every part are runs with these edits', async () => {
    const model = await open(config)
    const hooks = { head: 'attn.hook_z', attn: 'hook_attn_out', mlp: 'hook_mlp_out', neuron: 'mlp.hook_post' }
    for (const what of ABLATABLE) {
      for (const kind of ['zero', 'mean'] as const) {
        const { values } = await ablation(model, [QUESTION], { what, kind, reference: REFERENCE })
        const hook = `blocks.0.${hooks[what]}`
        const region = what === 'head' ? { heads: [0] } : what === 'neuron' ? { neurons: [0] } : {}
        const edit: Edit = kind === 'zero' ? { hook, kind, ...region } : { hook, kind, prompts: REFERENCE, ...region }
        for (const [metric, base, first] of [
          [logitDifference(0, 2), values.base, firstOf(values.values)],
          [loss(), values.loss!.base, firstOf(values.loss!.values)],
        ] as const) {
          const whole = await model.run([QUESTION.prompt], { metric })
          const without = await model.run([QUESTION.prompt], { metric, edits: [edit] })
          expect(base).toBeCloseTo(whole.metric![0]!, 5)
          expect(first, `${what} ${kind}`).toBeCloseTo(without.metric![0]!, 5)
        }
        expect(firstOf(values.effect)).toBeCloseTo(firstOf(values.values) - values.base, 6)
      }
    }
  })

  it('resampling takes a reference of at least the same length, seeded', async () => {
    const model = await open(config)
    const { values } = await ablation(model, [QUESTION], { kind: 'resample', reference: [REFERENCE[0]!] })
    const edits = [{ hook: 'blocks.0.attn.hook_z', kind: 'resample', from: REFERENCE[0]!, heads: [0] }] as const
    const { metric } = await model.run([QUESTION.prompt], { metric: logitDifference(0, 2), edits })
    expect(firstOf(values.values)).toBeCloseTo(metric![0]!, 5)
    await expect(ablation(model, [QUESTION], { kind: 'resample', reference: [[1, 2]] })).rejects.toThrow('longer one')
    const drawn = async (seed: number, draws: number) => {
      const { questions, effect, spread } = (await ablation(model, [QUESTION], { kind: 'resample', seed, draws }))
        .values
      return { from: questions[0]!.resampledFrom!, effect: firstOf(effect), spread: spread && firstOf(spread) }
    }
    const [own, again, other, single] = await Promise.all([drawn(3, 4), drawn(3, 4), drawn(4, 4), drawn(3, 1)])
    expect(again.from).toEqual(own.from)
    expect(again.effect).toBeCloseTo(own.effect, 6)
    expect(other.from).not.toEqual(own.from)
    expect(single).toMatchObject({ from: own.from.slice(0, 1), spread: null })
    // The mean and the deviation of runs with each of the four.
    const effects = await Promise.all(
      own.from.map(async (from) => {
        const edits = [{ hook: 'blocks.0.attn.hook_z', kind: 'resample', from, heads: [0] }] as const
        const metric = logitDifference(0, 2)
        const [without, whole] = await Promise.all(
          [edits, []].map((edits) => model.run([QUESTION.prompt], { metric, edits })),
        )
        return without!.metric![0]! - whole!.metric![0]!
      }),
    )
    const mean = effects.reduce((a, b) => a + b, 0) / 4
    expect(own.effect).toBeCloseTo(mean, 5)
    expect(own.spread).toBeCloseTo(Math.sqrt(effects.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 3), 5)
    await expect(ablation(model, [{ ...QUESTION, prompt: [1, 4] }], { kind: 'resample' })).rejects.toThrow('no other')
    await expect(ablation(model, [QUESTION], { kind: 'resample', reference: [QUESTION.prompt] })).rejects.toThrow(
      'begin as',
    )
    await expect(ablation(model, [QUESTION], { kind: 'position_mean' })).rejects.toThrow('needs reference')
  })

  it('a mean position by position is over the prompts that have the positions', async () => {
    const model = await open(config)
    const reference = [...REFERENCE, [3, 3]]
    const { values } = await ablation(model, [QUESTION], { kind: 'position_mean', reference })
    const trimmed = REFERENCE.map((ids) => ids.slice(0, 5))
    const edits = [
      { hook: 'blocks.0.attn.hook_z', kind: 'mean', per: 'position', prompts: trimmed, heads: [0] },
    ] as const
    const { metric } = await model.run([QUESTION.prompt], { metric: logitDifference(0, 2), edits })
    expect(firstOf(values.values)).toBeCloseTo(metric![0]!, 5)
  })

  it('without an answer the metric is the loss; questions give means and intervals', async () => {
    const model = await open(config)
    const questions = [{ prompt: QUESTION.prompt }, { prompt: [6, 2, 1] }]
    const { values } = await ablation(model, questions, { what: 'mlp', kind: 'zero' })
    expect(values).toMatchObject({ metric: 'loss', loss: null, axes: { layer: [0, 1] } })
    const each = await Promise.all(
      questions.map((question) => ablation(model, [question], { what: 'mlp', kind: 'zero' })),
    )
    const effects = each.map((one) => firstOf(one.values.effect))
    expect(firstOf(values.effect)).toBeCloseTo((effects[0]! + effects[1]!) / 2, 5)
    expect(firstOf(values.low!)).toBeCloseTo(Math.min(...effects), 5)
    await expect(ablation(model, [QUESTION, { prompt: [1, 2] }])).rejects.toThrow('name one')
    await expect(
      ablation(await open({ ...config, attn_only: true, d_mlp: 0, act_fn: null }), [QUESTION], { what: 'mlp' }),
    ).rejects.toThrow('attention only')
  })

  it('zero is off-distribution where activations lie far from it', async () => {
    // Every token looks at itself, so that heads hold single tokens' values, which point everywhere.
    const unbiased = await open(config, { change: (name, data) => (/b_V|ln1.b/.test(name) ? data.fill(0) : data) })
    const centred = await ablation(unbiased, [QUESTION], {
      what: 'head',
      kind: 'zero',
      layers: [0],
      reference: [
        [6, 2, 1, 3, 0],
        [5, 4, 6, 0, 2],
        [0, 1, 3, 6, 5],
      ],
      edits: [lookingAtItself('blocks.*.attn.hook_pattern')],
    })
    const shifted = await open(config, { change: (name, data) => (name.endsWith('b_V') ? data.fill(30) : data) })
    const far = await ablation(shifted, [QUESTION], { what: 'head', kind: 'zero', reference: REFERENCE })
    expect([centred.checks[0]!.verdict, far.checks[0]!.verdict]).toEqual(['holds', 'fails'])
    // A mean of activations that point everywhere is no activation.
    const between = await ablation(await open(config), [QUESTION], {
      what: 'neuron',
      kind: 'mean',
      reference: REFERENCE,
    })
    expect(between.checks[0]!.verdict).toBe('fails')
  })

  it('kinds agree where the stand-in does not matter, and differ where it does', async () => {
    // Heads that write a constant: the mean and any other prompt's activation are that constant.
    const constant = await open(config, { change: (name, data) => (/W_V$/.test(name) ? data.fill(0) : data) })
    const same = await ablation(constant, [QUESTION], { what: 'head', kind: 'mean' })
    expect(same.checks[1]!.verdict).toBe('holds')
    const zero = await ablation(constant, [QUESTION], { what: 'head', kind: 'zero' })
    expect(zero.checks[1]!.verdict).toBe('fails')
  })

  it('says when later layers make up for a part', async () => {
    // One layer: nothing comes after its MLP, so that its effect is direct.
    const single = { ...config, n_layers: 1, attn_scales: [0.5], attn_windows: [null] }
    const direct = await ablation(await open(single), [QUESTION], { what: 'mlp', kind: 'zero' })
    expect(direct.checks[2]!.verdict).toBe('holds')
    // A second layer that writes the opposite of what the first head wrote.
    const eraser = await open(
      { ...toyForms['without norms']!, attn_only: true, d_mlp: 0, act_fn: null },
      { change: erasing },
    )
    const erased = await ablation(eraser, [QUESTION], {
      what: 'attn',
      kind: 'zero',
      layers: [0],
      edits: [lookingAtItself('blocks.1.attn.hook_pattern')],
    })
    expect(erased.checks[2]!.verdict).toBe('fails')
  })
})

const firstOf = (values: readonly unknown[]): number => (values as unknown[]).flat(3)[0] as number

function lookingAtItself(hook: string): Edit {
  const data = new Float32Array(25)
  for (let i = 0; i < 5; i++) data[6 * i] = 1
  return { hook, kind: 'replace', value: { shape: [1, 5, 5], data } }
}

/** The second layer takes away 1.5 times what the stream holds. */
function erasing(name: string, data: Float32Array): Float32Array {
  if (/W_[QK]$|b_/.test(name)) return data.fill(0)
  if (/blocks\.1\.attn\.W_[VO]$/.test(name)) {
    // W_V [H, d, dh] and W_O [H, dh, d] of 2 heads, d = 8, dh = 4: head h copies dimensions 4h .. 4h + 3, turned around.
    data.fill(0)
    for (let h = 0; h < 2; h++)
      for (let e = 0; e < 4; e++) {
        const at = name.endsWith('W_V') ? (h * 8 + 4 * h + e) * 4 + e : (h * 4 + e) * 8 + 4 * h + e
        data[at] = name.endsWith('W_V') ? 1 : -1.5
      }
  }
  return data
}
