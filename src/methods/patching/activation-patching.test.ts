import { afterAll, describe, expect, it } from 'vitest'
import { inSmallBatches, openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { logitDifference, ofPrompt } from '../../lab/index.ts'
import { openCompiled } from '../../lab/open-compiled.ts'
import { compileModel } from '../../models/compiled/index.ts'
import { byteLevelTokenizer } from '../../tokenizer/fixtures.ts'
import { createTokenizer } from '../../tokenizer/tokenizer.ts'
import { activationPatching } from './activation-patching.ts'
import { PATCH_BY, PATCH_WHATS, PATCHABLE } from './patch-grid.ts'

const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 5, 3], answer: 0, wrong: 2 }
const metric = logitDifference(PAIR.answer, PAIR.wrong)
const config = toyForms['one after the other']!

describe('activation patching', () => {
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

  it('every activation, by every axis it has, in both directions, as separate runs with the patch', async () => {
    const model = await open(config)
    for (const what of PATCH_WHATS) {
      const captures = (await model.run([PAIR.clean, PAIR.corrupt], { capture: `blocks.*.${PATCHABLE[what]}` }))
        .captures
      for (const by of PATCH_BY) {
        const work = activationPatching(model, [PAIR], { what, by, neurons: by === 'neuron' ? [0, 5] : undefined })
        const sweep = await work.catch((error: Error) => error)
        if (sweep instanceof Error) {
          expect(sweep.message).toContain('cannot be patched by')
          continue
        }
        const { values } = sweep
        expect(values.reverse!.direction).toBe('corrupted_into_clean')
        // One cell of each is enough: the last layer's last one.
        for (const { source, target, grid } of [
          { source: 0, target: PAIR.corrupt, grid: values },
          { source: 1, target: PAIR.clean, grid: values.reverse! },
        ]) {
          const hook = `blocks.1.${PATCHABLE[what]}`
          const region = {
            ...(/position/.test(by) ? { positions: [4] } : {}),
            ...(/head/.test(by) ? { heads: [1] } : {}),
            ...(by === 'neuron' ? { neurons: [5] } : {}),
          }
          const value = ofPrompt(captures[hook]!, source)
          const run = await model.run([target], { metric, edits: [{ hook, kind: 'replace', value, ...region }] })
          expect((grid.values as unknown[]).flat(2).at(-1), `${what} by ${by}`).toBeCloseTo(run.metric![0]!, 5)
        }
      }
    }
  })

  it('normalised values are 0 as corrupted and 1 as clean, and whole streams carry everything', async () => {
    const model = await open(config)
    const { values } = await activationPatching(model, [PAIR], { what: 'resid_pre' })
    expect(values.axes).toEqual({ layer: [0, 1], position: ['1', '6', '2', '5', '3'] })
    const normalised = values.normalised as number[][]
    expect(normalised[0]![0]).toBeCloseTo(0, 4)
    expect(normalised[0]![1]).toBeCloseTo(1, 4)
    const reverse = values.reverse!.normalised as number[][]
    expect(reverse[0]![0]).toBeCloseTo(1, 4)
    expect(reverse[0]![1]).toBeCloseTo(0, 4)
    const whole = await activationPatching(model, [PAIR], { what: 'resid_post', by: 'layer' })
    for (const value of whole.values.values as number[]) expect(value).toBeCloseTo(whole.values.clean, 5)
  })

  it('edits act on every run', async () => {
    const model = await open(config)
    const edits = [{ hook: 'blocks.0.mlp.hook_post', kind: 'scale', factor: 0.3 }] as const
    const { values } = await activationPatching(model, [PAIR], { what: 'resid_pre', edits })
    const plain = await activationPatching(model, [PAIR], { what: 'resid_pre' })
    const [clean, corrupt] = (await model.run([PAIR.clean, PAIR.corrupt], { metric, edits })).metric!
    expect(values.clean).toBeCloseTo(clean!, 5)
    expect(values.corrupt).toBeCloseTo(corrupt!, 5)
    expect((values.values as number[][])[0]![1]).toBeCloseTo(clean!, 5)
    expect(values.clean).not.toBeCloseTo(plain.values.clean, 3)
  })

  it('prompts of unequal length are patched where tokens correspond', async () => {
    const model = await open(config)
    const pair = { ...PAIR, clean: [1, 4, 0, 2, 5, 3] }
    const { values, checks } = await activationPatching(model, [pair], { what: 'resid_post' })
    // Corrupted 1 6 2 5 3 against clean 1 4 0 2 5 3: 6 stands for 4, the clean 0 has no counterpart.
    expect(values.pairs[0]!.alignment.equalLength).toBe(false)
    expect(checks.map(({ name, verdict }) => [name, verdict])).toContainEqual([
      'the prompts correspond position by position',
      'fails',
    ])
    const last = (values.values as number[][])[1]!
    expect(last[4]).toBeCloseTo(values.clean, 5)
    expect(last[1]).toBeCloseTo(values.corrupt, 5)
    expect((values.reverse!.values as (number | null)[][])[1]![2]).toBeNull()
    const { captures } = await model.run([pair.clean], { capture: 'blocks.0.hook_resid_post' })
    const { data } = ofPrompt(captures['blocks.0.hook_resid_post']!, 0)
    const source = data.subarray(3 * config.d_model, 4 * config.d_model) as Float32Array
    const { metric: patched } = await model.run([pair.corrupt], {
      metric,
      edits: [{ hook: 'blocks.0.hook_resid_post', kind: 'replace', value: [...source], positions: [2] }],
    })
    expect((values.values as number[][])[0]![2]).toBeCloseTo(patched![0]!, 5)
    await expect(activationPatching(model, [pair], { what: 'pattern' })).rejects.toThrow('equal length')
  })

  it('pairs give means and intervals, and must have the same positions', async () => {
    const model = await open(config)
    const pairs = [PAIR, { ...PAIR, clean: [1, 4, 3, 5, 3], corrupt: [1, 6, 3, 5, 3] }]
    const both = await activationPatching(model, pairs, { what: 'z' })
    const each = await Promise.all(pairs.map((pair) => activationPatching(model, [pair], { what: 'z' })))
    const cells = each.map(({ values }) => (values.values as number[][]).flat())
    const means = (both.values.values as number[][]).flat()
    const low = (both.values.low as number[][]).flat()
    means.forEach((value, i) => {
      expect(value).toBeCloseTo((cells[0]![i]! + cells[1]![i]!) / 2, 5)
      expect(low[i]).toBeCloseTo(Math.min(cells[0]![i]!, cells[1]![i]!), 5)
    })
    const again = await activationPatching(model, pairs, { what: 'z' })
    expect(again.values).toEqual(both.values)
    const longer = { ...PAIR, clean: [1, 4, 2, 5, 3, 3], corrupt: [1, 6, 2, 5, 3, 3] }
    await expect(activationPatching(model, [PAIR, longer], { what: 'resid_pre' })).rejects.toThrow(
      'pairs of one length',
    )
    const last = await activationPatching(model, [PAIR, longer], { what: 'resid_pre', positions: [-1] })
    expect(last.values.values).toHaveLength(2)
  })

  it('every check holds somewhere and fails somewhere', async () => {
    const louder = (name: string, data: Float32Array) => (name === 'unembed.W_U' ? data.map((x) => 30 * x) : data)
    const model = await open(config, { change: louder })
    const verdicts = async (...given: Parameters<typeof activationPatching>) =>
      Object.fromEntries((await activationPatching(...given)).checks.map(({ name, verdict }) => [name, verdict]))
    const [lowers, direction, beyond] = [
      'the corruption lowers the metric',
      'both directions agree',
      'the top cells hold beyond one pair',
    ]
    const forward = (await activationPatching(model, [PAIR], { what: 'resid_pre' })).values
    const flipped = { ...PAIR, answer: PAIR.wrong, wrong: PAIR.answer }
    const [good, bad] = forward.clean > forward.corrupt ? [PAIR, flipped] : [flipped, PAIR]
    expect((await verdicts(model, [good], { what: 'resid_pre' }))[lowers]).toBe('holds')
    expect((await verdicts(model, [bad], { what: 'resid_pre' }))[lowers]).toBe('fails')
    expect((await verdicts(model, [good], { what: 'resid_pre' }))[direction]).toBe('holds')
    expect((await verdicts(model, [good], { what: 'resid_pre', bothDirections: false }))[direction]).toBe('not tested')
    expect((await verdicts(model, [good, good, good], { what: 'resid_pre' }))[beyond]).toBe('holds')
    const swapped = { ...good, clean: good.corrupt, corrupt: good.clean }
    expect((await verdicts(model, [good, swapped], { what: 'resid_pre', layers: [0], positions: [1] }))[beyond]).toBe(
      'fails',
    )
    // Without both of an AND's inputs there is nothing; each of them can take it away.
    const gate = compileModel('and-gate', { seed: 1 })
    const and = await openCompiled(gate, backend)
    opened.push(and)
    expect((await verdicts(and, [...gate.pairs], { what: 'z' }))[direction]).toBe('fails')
    const mean = compileModel('and-gate', { seed: 1, mislead: 0 })
    const sound = await openCompiled(mean, backend)
    opened.push(sound)
    expect((await verdicts(sound, [...mean.pairs], { what: 'z' }))[direction]).toBe('holds')
  })

  it('cancelled in the second direction, the first one is kept', async () => {
    const model = await open(config)
    const controller = new AbortController()
    // The first sweep's progress is its end.
    const { values, complete, checks } = await activationPatching(model, [PAIR], {
      what: 'resid_pre',
      signal: controller.signal,
      onProgress: () => controller.abort(),
    })
    expect(complete).toBe(false)
    expect(values.reverse).toBeNull()
    expect((values.values as number[][])[0]![1]).toBeCloseTo(values.clean, 5)
    expect(checks.find(({ name }) => name === 'both directions agree')!.verdict).toBe('not tested')
  })

  it('cancelled within a sweep, it keeps the cells that are done', async () => {
    const model = await open(config)
    inSmallBatches(model)
    const whole = await activationPatching(model, [PAIR], { what: 'resid_pre' })
    const controller = new AbortController()
    let steps = 0
    const cut = await activationPatching(model, [PAIR], {
      what: 'resid_pre',
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
    expect(cut.values.reverse).toBeNull()
  })

  it('cancelled within a later pair, it keeps the whole ones', async () => {
    const model = await open(config)
    inSmallBatches(model)
    const options = { what: 'resid_pre', bothDirections: false } as const
    const one = await activationPatching(model, [PAIR], options)
    const controller = new AbortController()
    let steps = 0
    const cut = await activationPatching(model, [PAIR, PAIR], {
      ...options,
      signal: controller.signal,
      onProgress: ({ unit }) => {
        if (unit === 'variants' && ++steps === one.cost.variants + 2) controller.abort()
      },
    })
    expect(cut.complete).toBe(false)
    expect(cut.values.pairs).toHaveLength(1)
    expect(cut.values.values).toEqual(one.values.values)
  })

  it('answers are single tokens, and something must be measured that can be restored', async () => {
    const tokenizer = createTokenizer(byteLevelTokenizer())
    const model = await open(
      { ...config, d_vocab: tokenizer.vocabSize, d_vocab_out: tokenizer.vocabSize },
      { tokenizer },
    )
    const pair = { clean: 'ab', corrupt: 'ba', answer: 'abcdefgh', wrong: 'b' }
    await expect(activationPatching(model, [pair], { what: 'resid_pre' })).rejects.toThrow('One is needed')
    await expect(
      // As JavaScript can ask for it.
      activationPatching(model, [{ ...pair, answer: 'a' }], { what: 'resid_pre', metric: 'loss' as 'logit' }),
    ).rejects.toThrow('two different texts')
    await expect(
      activationPatching(await open({ ...config, attn_only: true, d_mlp: 0, act_fn: null }), [PAIR], {
        what: 'resid_mid',
      }),
    ).rejects.toThrow('attention only')
  })
})
