import { afterAll, describe, expect, it } from 'vitest'
import { inSmallBatches, openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { type Edit, logitDifference, logProbability, type Model, openCompiled } from '../../lab/index.ts'
import { compileModel } from '../../models/compiled/index.ts'
import { randomSource } from '../../random/index.ts'
import type { Check } from '../shared/checks.ts'
import { type CausalTraceOptions, causalTracing } from './causal-tracing.ts'
import { inflationCheck } from './trace-checks.ts'
import { TOKEN_CLASSES } from './trace-prompts.ts'
import { windowAround } from './trace-sweep.ts'

const backend = createNodeBackend({ threads: 1 })
const models: Model[] = []
afterAll(async () => {
  for (const model of models) await model.dispose()
  await backend.dispose()
})
const open = async (form = 'one after the other', change?: (name: string, data: Float32Array) => Float32Array) => {
  const model = await openToy(toyForms[form]!, { backend, ...(change ? { change } : {}) })
  models.push(model)
  return model
}

const TRACED = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 0, 5, 3], answer: 0, wrong: 2 }
const verdictOf = (checks: readonly Check[], name: RegExp) => checks.find((check) => name.test(check.name))!.verdict

describe('causal tracing of compiled models', () => {
  it.each([1, 2, 3])(
    'induction, seed %i: replaced tokens are restored where the circuit has them, by what it says',
    async (seed) => {
      const compiled = compileModel('induction', { seed })
      const model = await openCompiled(compiled, backend)
      models.push(model)
      const options: CausalTraceOptions = {
        corruption: 'replacement',
        measure: 'logit_difference',
        window: 1,
        severed: true,
      }
      for (const changes of ['the follower', 'the last token', 'which token came before']) {
        const pair = compiled.pairs.find((one) => one.changes === changes)!
        const { clean, corrupt, answer, wrong } = pair
        const { values, checks } = await causalTracing(model, [{ clean, corrupt, answer, wrong }], options)
        const total = values.totalEffect.logit_difference
        const [resid, attn, severed] = values.prompts[0]!.effects as unknown as number[][][]
        const last = clean.length - 1
        const asked = clean.indexOf(clean[last]!)
        // Where the state behind layer 0 makes a difference, and what share of it.
        const shares = new Map<number, number>()
        if (changes === 'the follower') shares.set(asked + 1, 1)
        else if (changes === 'the last token') shares.set(last, 1)
        else {
          // With the right place marked the induction head looks at two places; with the wrong one unmarked at none.
          shares.set(asked + 1, 0.5)
          shares.set(clean.indexOf(corrupt[asked]!) + 1, 0.5)
        }
        expect(total).toBeGreaterThan(4)
        clean.forEach((_, p) => {
          const early = (shares.get(p) ?? 0) * total
          const late = p === last ? total : 0
          expect(resid![0]![p]!).toBeCloseTo(early, 3)
          expect(resid![1]![p]!).toBeCloseTo(late, 3)
          // The previous-token head writes what came before; a token itself comes from its embedding.
          expect(attn![0]![p]!).toBeCloseTo(changes === 'which token came before' ? early : 0, 3)
          expect(attn![1]![p]!).toBeCloseTo(late, 3)
          // The induction head sits at the last token: held there, it undoes what was restored before it.
          expect(severed![0]![p]!).toBeCloseTo(p === last ? 0 : early, 3)
          expect(severed![1]![p]!).toBeCloseTo(late, 3)
        })
        expect(verdictOf(checks, /other subject changes/)).toBe('holds')
        expect(verdictOf(checks, /gives the answer/)).toBe('holds')
      }
    },
  )

  it.each([1, 2, 3])(
    'induction, seed %i: with noise, nothing before the subject matters, and the last state is all',
    async (seed) => {
      const compiled = compileModel('induction', { seed })
      const model = await openCompiled(compiled, backend)
      models.push(model)
      const { clean, answer, wrong } = compiled.pairs.find((one) => one.changes === 'the follower')!
      const follower = clean.indexOf(clean.at(-1)!) + 1
      const { values } = await causalTracing(model, [{ clean, subject: [follower], answer, wrong }], {
        measure: 'logit_difference',
        draws: 4,
        seed,
      })
      const [resid] = values.prompts[0]!.effects as unknown as number[][][]
      for (const row of resid!) for (const effect of row.slice(0, follower)) expect(effect).toBeCloseTo(0, 4)
      expect(resid![1]!.at(-1)!).toBeCloseTo(values.totalEffect.logit_difference, 3)
      expect(values.sigma!).toBeGreaterThan(0.1)
    },
  )
})

describe('causal tracing', () => {
  it('every cell is a run with these edits, whatever is restored and however it is corrupted', async () => {
    const model = await open()
    const metrics = { probability: logProbability(0), logit_difference: logitDifference(0, 2) }
    for (const [corruption, measure] of [
      ['replacement', 'logit_difference'],
      ['noise', 'probability'],
    ] as const) {
      const edits: Edit[] = [{ hook: 'blocks.0.attn.hook_z', kind: 'scale', factor: 0.5, heads: [1] }]
      const options = { corruption, measure, draws: 1, window: 2, severed: true, seed: 5, edits, noise: 2 }
      const { values } = await causalTracing(model, [TRACED], options)
      expect(values.traces.map(({ state, window, severed }) => [state, window, severed])).toEqual([
        ['resid', 1, null],
        ['mlp', 2, null],
        ['attn', 2, null],
        ['resid', 1, 'mlp'],
        ['resid', 1, 'attn'],
      ])
      const run = async (ids: readonly number[], own: readonly Edit[]) => {
        const { metric, captures } = await model.run([ids], {
          edits: [...edits, ...own],
          metric: metrics[measure],
          capture: ['*hook_resid_post', '*hook_mlp_out', '*hook_attn_out'],
        })
        return { value: measure === 'probability' ? Math.exp(metric![0]!) : metric![0]!, captures }
      }
      const clean = await run(TRACED.clean, [])
      expect(values.clean[measure]).toBeCloseTo(clean.value, 5)
      // The noise is drawn by the method: what it does to the embeddings is taken from its own first draw.
      const noise: Edit[] = corruption === 'noise' ? [noiseOf(model, values.sigma!, 5)] : []
      const ids = corruption === 'noise' ? TRACED.clean : TRACED.corrupt
      const corrupted = await run(ids, noise)
      expect(values.corrupt[measure]).toBeCloseTo(corrupted.value, 5)
      const held = (hook: string, from: typeof clean, position: number): Edit => {
        const { shape, data } = from.captures[hook]!
        return { hook, kind: 'replace', value: { shape: shape.slice(1), data }, positions: [position] }
      }
      const hooks = { resid: 'hook_resid_post', mlp: 'hook_mlp_out', attn: 'hook_attn_out' }
      for (const [t, { state, window, severed }] of values.traces.entries()) {
        for (const [layer, position] of [
          [0, 1],
          [0, 4],
          [1, 2],
        ] as const) {
          const restored = windowAround(layer, window, 2).map((at) =>
            held(`blocks.${at}.${hooks[state]}`, clean, position),
          )
          const later = severed && layer === 0 ? [held(`blocks.1.${hooks[severed]}`, corrupted, position)] : []
          const { value } = await run(ids, [...noise, ...restored, ...later])
          const effect = (values.prompts[0]!.effects as unknown as number[][][])[t]![layer]![position]!
          expect(effect, `${corruption} ${state} ${severed} ${layer} ${position}`).toBeCloseTo(
            value - corrupted.value,
            5,
          )
        }
      }
    }
  })

  it('draws have means and spreads; classes are means over their tokens; prompts have intervals', async () => {
    const model = await open()
    const second = { clean: [6, 1, 4, 2, 3, 5], subject: [1, 2, 3], answer: 0, wrong: 2 }
    const { values } = await causalTracing(model, [{ ...TRACED, subject: [1, 2] }, second], {
      draws: 3,
      states: ['resid'],
    })
    expect(values.prompts.map(({ classes }) => classes)).toEqual([
      ['before the subject', 'first subject token', 'last subject token', 'first subsequent token', 'last token'],
      [
        'before the subject',
        'first subject token',
        'middle subject tokens',
        'last subject token',
        'first subsequent token',
        'last token',
      ],
    ])
    const at = (prompt: number, p: number) => (values.prompts[prompt]!.effects as unknown as number[][][])[0]![1]![p]!
    const column = TOKEN_CLASSES.indexOf('last subject token')
    const [{ byClass, low, high }] = values.traces as [(typeof values.traces)[0]]
    const of = (values: unknown) => (values as (number | null)[][])[1]!
    expect(of(byClass)[column]!).toBeCloseTo((at(0, 2) + at(1, 3)) / 2, 6)
    expect(of(byClass)[TOKEN_CLASSES.indexOf('middle subject tokens')]).toBeNull()
    expect(of(low)[column]!).toBeLessThanOrEqual(of(byClass)[column]!)
    expect(of(high)[column]!).toBeGreaterThanOrEqual(of(byClass)[column]!)
    // The last state of all is the whole effect, with as much spread as the corrupted runs have.
    const { clean, corrupt } = { clean: values.prompts[0]!.cleanMeasures, corrupt: values.prompts[0]!.corruptMeasures }
    expect(at(0, 4)).toBeCloseTo(clean.probability - corrupt.probability, 5)
    expect((values.prompts[0]!.spread as unknown as number[][][])[0]![1]![4]!).toBeGreaterThan(0)
  })

  it('checks say when there is nothing to restore, and what a window does', async () => {
    const model = await open()
    const quiet = await causalTracing(model, [TRACED], { noise: 1e-4, states: ['mlp'], window: 2 })
    expect(verdictOf(quiet.checks, /large enough/)).toBe('fails')
    const loud = await causalTracing(model, [{ ...TRACED, answer: undefined }], { noise: 30, draws: 2 })
    expect(verdictOf(loud.checks, /gives the answer/)).toBe('holds')
    expect(loud.values.prompts[0]!.answer.id).toBeTypeOf('number')
    expect(verdictOf(loud.checks, /point to the same/)).not.toBe('not tested')
    expect(verdictOf(loud.checks, /window over mlp/)).toBe('not tested')
    const alone = await causalTracing(model, [{ clean: TRACED.clean, subject: [1] }], { draws: 1, states: ['attn'] })
    expect(verdictOf(alone.checks, /point to the same/)).toBe('not tested')
    expect(verdictOf(alone.checks, /draws of the noise/)).toBe('not tested')
  })

  it('a window inflates where its layers do more together than one by one', () => {
    const claim = { name: 'window', claimed: 'small' }
    expect(inflationCheck(claim, 0.9, [0.1, 0.2, -0.3], [1, 2, 3])).toMatchObject({
      verdict: 'fails',
      measured: '0.900 together, 0.300 one by one, at most -0.300 (layer 3)',
    })
    expect(inflationCheck(claim, 0.35, [0.1, 0.2, -0.3], [1, 2, 3]).verdict).toBe('holds')
    expect(inflationCheck(claim, -0.9, [0.1, 0, 0], [1, 2, 3]).verdict).toBe('fails')
    expect([windowAround(0, 3, 8), windowAround(4, 3, 8), windowAround(7, 4, 8)]).toEqual([
      [0, 1],
      [3, 4, 5],
      [5, 6, 7],
    ])
  })

  it('refuses what it cannot trace', async () => {
    const model = await open()
    const attention = await open('attention only')
    for (const [prompt, options, message] of [
      [{ clean: [1, 2, 3] }, {}, /say what it is/],
      [{ clean: [1, 2], corrupt: [1, 2] }, {}, /same tokens/],
      [{ clean: [1, 2], corrupt: [1, 2, 3] }, {}, /exchanges tokens one for one/],
      [{ clean: [1, 2], subject: 'Paris' }, {}, /give the subject's positions/],
      [{ clean: [1, 2], subject: [4] }, {}, /Position 4/],
      [{ clean: [1, 2], subject: [1] }, { corruption: 'replacement' }, /corrupted prompt/],
      [{ clean: [1, 2], subject: [1] }, { window: 3 }, /from 1 to 2/],
      [{ clean: [1, 2], subject: [1] }, { noise: 0 }, /above 0/],
      [{ clean: [1, 2], subject: [1] }, { states: ['mlps'] }, /no state 'mlps'/],
      [{ clean: [1, 2], subject: [1] }, { severed: true, states: ['mlp'] }, /leave 'resid'/],
    ] as const)
      await expect(causalTracing(model, [prompt], options as CausalTraceOptions)).rejects.toThrow(message)
    await expect(causalTracing(attention, [TRACED], { states: ['mlp'] })).rejects.toThrow('attention only')
  })

  it('gives partial results, and keeps them when it is cancelled', async () => {
    const model = await open()
    inSmallBatches(model)
    const controller = new AbortController()
    let seen: object | undefined
    const cancelled = await causalTracing(model, [TRACED], {
      signal: controller.signal,
      draws: 2,
      onPartial({ values }) {
        seen = values
        controller.abort()
      },
    })
    expect(cancelled.complete).toBe(false)
    expect(cancelled.values).toEqual(seen)
    expect(cancelled.checks.map(({ verdict }) => verdict)).toEqual(['not tested'])
  })
})

/** The first draw of the method's noise on the first prompt of the test. */
function noiseOf(model: Model, sigma: number, seed: number): Edit {
  const random = randomSource(seed, 'noise', 0, 0)
  const d = model.config.d_model
  const data = new Float32Array(5 * d)
  for (const p of [1, 2]) for (let i = 0; i < d; i++) data[p * d + i] = sigma * random.normal()
  return { hook: 'hook_embed', kind: 'add', value: { shape: [5, d], data } }
}
