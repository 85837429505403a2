import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { openCompiled } from '../../lab/index.ts'
import { type CompiledModel, compileModel } from '../../models/compiled/index.ts'
import { causalScrubbing, type ScrubOptions } from './causal-scrubbing.ts'
import { dataBalance, redrawn } from './data-balance.ts'
import { featureValue } from './features.ts'
import type { Hypothesis, HypothesisNode } from './hypothesis.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

const QUESTIONS = Array.from({ length: 12 }, (_, i) => ({
  prompt: [i % 7, (3 * i + 1) % 7, (5 * i + (i >> 2)) % 7, (i * i) % 7],
  answer: i % 5,
}))
const toy = toyForms['one after the other']!

const drawnQuestions = ({ questions }: CompiledModel) => questions.map(({ ids, answer }) => ({ prompt: ids, answer }))

/** As many questions as are drawn, but every input (of those asked for) as often as the others: only what is planted varies less. */
function evenQuestions(compiled: CompiledModel, asked: (ids: readonly number[]) => boolean = () => true) {
  const inputs = compiled.inputs(1024).filter(asked)
  return compiled.questions.map((_, i) => {
    const prompt = inputs[i % inputs.length]!
    return { prompt, answer: compiled.answer(prompt)! }
  })
}

async function scrubbed(
  compiled: CompiledModel,
  hypothesis: Hypothesis,
  options: ScrubOptions = {},
  questions = drawnQuestions(compiled),
) {
  const model = await openCompiled(compiled, backend)
  try {
    return await causalScrubbing(model, questions, hypothesis, options)
  } finally {
    await model.dispose()
  }
}

const verdictOf = (checks: readonly { readonly name: string; readonly verdict: string }[], name: RegExp) =>
  checks.find((check) => name.test(check.name))!.verdict
const [KL, CONTROL, EXCHANGED, BALANCE, SAMPLES] = [
  /per-example KL/,
  /random hypothesis/,
  /exchanged/,
  /vary/,
  /enough samples/,
]

const partOf = ({ truth }: CompiledModel, role: string) =>
  Object.entries(truth.roles).find(([, one]) => one === role)![0]
/** Where pairs of one kind of corruption differ. */
const placeOf = ({ pairs }: CompiledModel, changes: string) => {
  const { clean, corrupt } = pairs.find((pair) => pair.changes === changes)!
  return clean.findIndex((id, i) => id !== corrupt[i])
}

describe.each(Object.entries(toyForms).filter(([, { post_norms }]) => !post_norms))(
  'scrubbing a toy: %s',
  (_, config) => {
    it('a hypothesis that names everything is the model, at once and step by step', async () => {
      const model = await openToy(config, { backend })
      const last = config.n_layers - 1
      const whole: Hypothesis = { output: ['all'], nodes: [{ name: 'all', parts: ['all'] }] }
      const earlier = ['embed', ...Array.from({ length: last }, (_, l) => `L${l}`)]
      const heads = Array.from({ length: config.n_heads }, (_, h) => `L${last}H${h}`)
      const before = earlier.flatMap((name) =>
        name === 'embed'
          ? [name]
          : [
              ...Array.from({ length: config.n_heads }, (_, h) => `${name}H${h}`),
              ...(config.attn_only ? [] : [`${name}MLP`]),
            ],
      )
      const nodes: HypothesisNode[] = [
        { name: 'before', parts: before },
        { name: 'heads', parts: heads, inputs: ['before'] },
        ...(config.attn_only
          ? []
          : [
              {
                name: 'mlp',
                parts: [`L${last}MLP`],
                inputs: config.parallel_attn_mlp ? ['before'] : ['before', 'heads'],
              },
            ]),
      ]
      const steps: Hypothesis = { output: nodes.map(({ name }) => name), nodes }
      for (const hypothesis of [whole, steps]) {
        const { values, complete } = await causalScrubbing(model, QUESTIONS, hypothesis, { samples: 20 })
        expect(complete).toBe(true)
        expect(values.kl.randomMean).toBeGreaterThan(1e-4)
        expect(Math.max(...values.worst.map(({ kl }) => kl))).toBeLessThan(1e-5 + 1e-3 * values.kl.randomMean)
        expect(values.recovered.recovered).toBeCloseTo(1, 2)
      }
      await model.dispose()
    })
  },
)

/** Two bits are said to matter, or one. */
function gateHypothesis(compiled: CompiledModel, bits: readonly ('a' | 'b')[]): Hypothesis {
  const at = { a: placeOf(compiled, 'bit a'), b: placeOf(compiled, 'bit b') }
  const readers = bits.map(
    (bit): HypothesisNode => ({
      name: bit,
      parts: [partOf(compiled, `reads ${bit}`)],
      positions: [-1],
      feature: { token: at[bit] },
    }),
  )
  const feature = { all: bits.map((bit) => ({ token: at[bit] })) }
  return {
    output: ['gate'],
    nodes: [{ name: 'gate', parts: ['L0MLP'], positions: [-1], feature, inputs: bits }, ...readers],
  }
}

describe.each([1, 2, 3])('planted truth, seed %i:', (seed) => {
  it('a wrong hypothesis passes where the data hide an input, a check says so, and balanced data refute it', async () => {
    const hidden = compileModel('correlated-inputs', { seed })
    const wrong = await scrubbed(hidden, gateHypothesis(hidden, ['a']))
    expect(wrong.values.recovered.recovered).toBeGreaterThanOrEqual(0.95)
    expect(verdictOf(wrong.checks, BALANCE)).toBe('fails')
    // Among 64 drawn examples other positions may look suspicious, too: scrubbing with them drawn anew decides.
    expect(wrong.values.balance.constant).toContain(placeOf(hidden, 'bit b'))
    const right = await scrubbed(hidden, gateHypothesis(hidden, ['a', 'b']))
    expect(right.values.recovered.recovered).toBeCloseTo(1, 3)
    expect(right.checks.filter(({ verdict }) => verdict !== 'holds')).toEqual([])
    const balanced = compileModel('correlated-inputs', { seed, mislead: 0 })
    const refuted = await scrubbed(balanced, gateHypothesis(balanced, ['a']))
    expect(refuted.values.recovered.recovered).toBeLessThan(0.5)
    expect(verdictOf(refuted.checks, BALANCE)).toBe('holds')
    expect(verdictOf(refuted.checks, CONTROL)).toBe('fails')
    const kept = await scrubbed(balanced, gateHypothesis(balanced, ['a', 'b']))
    expect(kept.checks.filter(({ verdict }) => verdict !== 'holds')).toEqual([])
  })

  it('where every input is asked equally often, exactly the bit that never varies is suspected, and no other', async () => {
    const hidden = compileModel('correlated-inputs', { seed })
    const at = placeOf(hidden, 'bit b')
    const never = evenQuestions(hidden, (ids) => ids[at] === hidden.questions[0]!.ids[at])
    const wrong = await scrubbed(hidden, gateHypothesis(hidden, ['a']), {}, never)
    expect(wrong.values.recovered.recovered).toBeGreaterThanOrEqual(0.95)
    expect(wrong.values.balance).toMatchObject({ constant: [at], together: [], hidden: [at] })
    expect(verdictOf(wrong.checks, BALANCE)).toBe('fails')
    const balanced = compileModel('correlated-inputs', { seed, mislead: 0 })
    const refuted = await scrubbed(balanced, gateHypothesis(balanced, ['a']), {}, evenQuestions(balanced))
    expect(refuted.values.recovered.recovered).toBeLessThan(0.5)
    expect(refuted.values.balance).toMatchObject({ constant: [], together: [], hidden: [] })
    expect([BALANCE, CONTROL].map((name) => verdictOf(refuted.checks, name))).toEqual(['holds', 'fails'])
  })

  it('a wrong hypothesis passes where the data vary two inputs together, and where one varies too little', async () => {
    const linked = compileModel('linked-inputs', { seed })
    const [wrong, right] = await Promise.all(
      linked.truth.hypotheses.map(({ dependsOn, tokens }) =>
        scrubbed(linked, {
          output: ['mlp'],
          nodes: [
            {
              name: 'mlp',
              parts: dependsOn,
              positions: [-1],
              feature: { all: tokens!.map((token) => ({ token })) },
            },
          ],
        }),
      ),
    )
    for (const { values } of [wrong!, right!]) expect(values.recovered.recovered).toBeCloseTo(1, 3)
    expect([wrong!, right!].map(({ checks }) => verdictOf(checks, BALANCE))).toEqual(['fails', 'holds'])
    const skewed = compileModel('correlated-inputs', { seed, mislead: 0.85 })
    const some = await scrubbed(skewed, gateHypothesis(skewed, ['a']), { samples: 1024 })
    expect(some.values.recovered.recovered).toBeGreaterThan(0.3)
    expect(verdictOf(some.checks, BALANCE)).toBe('fails')
  })

  it('errors that cancel pass in the mean loss and fail example by example', async () => {
    const bit = (compiled: CompiledModel): Hypothesis => ({
      output: ['bit'],
      nodes: [
        {
          name: 'bit',
          parts: [partOf(compiled, 'reads')],
          positions: [-1],
          feature: { token: placeOf(compiled, 'the bit') },
        },
      ],
    })
    const off = compileModel('miscount', { seed })
    const cancelled = await scrubbed(off, bit(off), { samples: 1024 })
    expect(cancelled.values.recovered.recovered).toBeGreaterThan(0.9)
    expect(cancelled.values.kl.recovered).toBeLessThan(0.5)
    expect(verdictOf(cancelled.checks, KL)).toBe('fails')
    expect(verdictOf(cancelled.checks, CONTROL)).toBe('holds')
    const right = compileModel('miscount', { seed, mislead: 0 })
    const { values, checks } = await scrubbed(right, bit(right))
    expect(values.recovered.recovered).toBeCloseTo(1, 4)
    expect(checks.filter(({ verdict }) => verdict !== 'holds')).toEqual([])
  })
})

describe('checks and refusals', () => {
  it('features that exchange nothing, labels without meaning and few samples are told', async () => {
    const compiled = compileModel('correlated-inputs', { seed: 4, mislead: 0 })
    const everything = (feature: HypothesisNode['feature']): Hypothesis => ({
      output: ['mlp'],
      nodes: [{ name: 'mlp', parts: ['L0MLP'], positions: [-1], ...(feature ? { feature } : {}) }],
    })
    const itself = await scrubbed(
      compiled,
      everything(({ index }) => index),
    )
    expect(itself.values.recovered.recovered).toBeCloseTo(1, 4)
    expect(verdictOf(itself.checks, EXCHANGED)).toBe('fails')
    const whole = await scrubbed(compiled, everything(undefined))
    expect([CONTROL, EXCHANGED].map((name) => verdictOf(whole.checks, name))).toEqual(['not tested', 'not tested'])
    const labels = { noise: compiled.questions.map((_, i) => (i * 7) % 3) }
    const noise = await scrubbed(compiled, { ...everything({ label: 'noise' }), labels }, { samples: 8 })
    expect([CONTROL, SAMPLES].map((name) => verdictOf(noise.checks, name))).toEqual(['fails', 'fails'])
    expect(noise.values.bySize.map(({ samples }) => samples)).toEqual([8])
  })

  it('features and balance of data', () => {
    const example = { index: 1, ids: [9, 4, 5, 6, 4] }
    const value = (feature: Parameters<typeof featureValue>[0]) => featureValue(feature, example, { kind: ['a', 'b'] })
    expect(value({ token: -1 })).toBe('4')
    expect([value({ earlier: -1 }), value({ follower: -1 }), value({ follower: 0 })]).toEqual(['1', '5', 'none'])
    expect(value({ all: [{ equal: [1, 4] }, { label: 'kind' }] })).toBe('true | b')
    expect(() => value({ label: 'sort' })).toThrow(/the label 'sort', which has 0 entries/)
    const random = (i: number) => (i * 2654435761) >>> 16
    const vary = Array.from({ length: 200 }, (_, i) =>
      [0, random(i) % 2, random(7 * i + 3) % 2].map((x, p) => (p ? 5 + x : x)),
    )
    expect(dataBalance(vary).hidden).toEqual([])
    const copied = vary.map((ids) => [...ids, ids[1]!, 5])
    expect(dataBalance(copied)).toMatchObject({ constant: [4], together: [{ positions: [1, 3] }], hidden: [3, 4] })
    expect(dataBalance(redrawn(copied, dataBalance(copied), 1)).hidden).toEqual([])
  })

  it('keeps what is done when it is cancelled, and refuses what does not fit', async () => {
    const model = await openToy(toy, { backend })
    const node = { name: 'last', parts: ['L1MLP'], feature: { token: 1 } }
    const one: Hypothesis = { output: ['last'], nodes: [node] }
    const controller = new AbortController()
    const seen: object[] = []
    const { complete, values, checks } = await causalScrubbing(model, QUESTIONS, one, {
      samples: 8,
      signal: controller.signal,
      onPartial(result) {
        seen.push(result.values)
        controller.abort()
      },
    })
    expect({ complete, control: values.control }).toEqual({ complete: false, control: null })
    expect(checks).toMatchObject([{ verdict: 'not tested' }])
    expect(values).toEqual(seen.at(-1))
    const refusal = (hypothesis: Hypothesis, questions: Parameters<typeof causalScrubbing>[1] = QUESTIONS) =>
      expect(causalScrubbing(model, questions, hypothesis)).rejects
    await refusal({ output: ['first'], nodes: [node] }).toThrow(/reads 'first', which is no node.*last/)
    await refusal({ output: ['last'], nodes: [node, { ...node, name: 'idle' }] }).toThrow(
      /Nothing.*reads the node 'idle'/,
    )
    await refusal({ output: ['last'], nodes: [{ ...node, inputs: ['last'] }] }).toThrow(/circle/)
    await refusal({
      output: ['last'],
      nodes: [
        { ...node, parts: ['L0H0'], inputs: ['late'] },
        { name: 'late', parts: ['L1H0'] },
      ],
    }).toThrow(/'last' cannot read L1H0/)
    await refusal({
      output: ['last'],
      nodes: [
        { ...node, parts: ['heads'], inputs: ['e'] },
        { name: 'e', parts: ['embed'] },
      ],
    }).toThrow(/must be heads of one layer/)
    await refusal(one, [{ prompt: [1, 2] }, { prompt: [1, 3] }]).toThrow(/Example 0 has no answer/)
    await refusal(one, [QUESTIONS[0]!, { prompt: [1], answer: 0 }]).toThrow(/have 4, 1 tokens/)
    await model.dispose()
  })
})
