import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../test/support/toy-model.ts'
import { type Edit, logit, type Model } from '../lab/index.ts'
import {
  ablatePairs,
  ablation,
  activationPatching,
  attentionPatterns,
  attributionPatching,
  causalTracing,
  directLogitAttribution,
  headDetectors,
  logitLens,
  type MethodOptions,
  type MethodResult,
  nextTokenPredictions,
  selfRepair,
} from './index.ts'

const PROMPTS = [
  [1, 4, 2, 5, 3],
  [6, 0, 2],
  [4, 4, 1],
]
const QUESTION = { prompt: [1, 4, 2, 5, 3], answer: 0, wrong: 2 }
const QUESTIONS = [QUESTION, { ...QUESTION, prompt: [1, 4, 2, 5, 6] }]
const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 5, 3], answer: 0, wrong: 2 }
const PAIRS = [PAIR, { ...PAIR, clean: [1, 4, 2, 0, 3], corrupt: [1, 6, 2, 0, 3] }]

type Run = (model: Model, options: MethodOptions) => Promise<MethodResult<object>>

/** Methods with how many partial results they give at least. */
const RUNS: Readonly<Record<string, readonly [Run, number]>> = {
  lens: [(model, options) => logitLens(model, PROMPTS, options), 2],
  predictions: [(model, options) => nextTokenPredictions(model, PROMPTS, options), 2],
  attention: [(model, options) => attentionPatterns(model, PROMPTS, options), 2],
  'head detectors': [(model, options) => headDetectors(model, [], { ...options, examples: 4, period: 4 }), 3],
  attribution: [(model, options) => directLogitAttribution(model, QUESTIONS, options), 2],
  'attribution patching': [(model, options) => attributionPatching(model, PAIRS, { ...options, what: 'z' }), 2],
  'patching, one pair': [(model, options) => activationPatching(model, [PAIR], { ...options, what: 'resid_pre' }), 9],
  'patching, two pairs': [(model, options) => activationPatching(model, PAIRS, { ...options, what: 'resid_pre' }), 9],
  'self-repair': [(model, options) => selfRepair(model, QUESTIONS, { ...options, what: 'all' }), 4],
  'pairs of parts': [(model, options) => ablatePairs(model, QUESTIONS, { ...options, top: 3 }), 6],
  'causal tracing': [(model, options) => causalTracing(model, PAIRS, { ...options, draws: 2 }), 20],
  'ablation of neurons': [(model, options) => ablation(model, QUESTIONS, { ...options, what: 'neuron' }), 14],
}

/** What divides by a small difference here. */
const QUOTIENTS = ['normalised', 'repaired']

/** Every number of a result but those, in order; null where there is none. */
function numbers(value: unknown): (number | null)[] {
  if (typeof value === 'number' || value === null) return [value]
  if (typeof value !== 'object') return []
  return Object.entries(value as object).flatMap(([key, entry]) => (QUOTIENTS.includes(key) ? [] : numbers(entry)))
}

/** How many cells are done. */
const done = (values: object) => {
  const { effect, values: cells, loss, reverse } = values as Record<string, unknown>
  const given = (list: unknown) => numbers(list ?? []).filter((x) => x !== null).length
  const sweeps = [effect ?? cells, (loss as { effect?: unknown } | null)?.effect]
  return [...sweeps, (reverse as { values?: unknown } | null)?.values].map(given).reduce((a, b) => a + b, 0)
}

describe('partial results', () => {
  const opened = openToy(toyForms['one after the other']!)
  const open = () => opened
  afterAll(async () => (await opened).dispose())

  const edits: Edit[] = [{ hook: 'blocks.1.mlp.hook_post', kind: 'scale', factor: 0.5 }]

  describe.each([
    ['no edits', {}],
    ['edits', { edits }],
  ])('with %s', (_, more) => {
    it.each(Object.entries(RUNS))('%s: they come in order, and the end is the same', async (name, [run, least]) => {
      const model = await open()
      const plain = await run(model, more)
      const partials: MethodResult<object>[] = []
      const followed = await run(model, { ...more, onPartial: (result) => partials.push(result) })
      const [a, b] = [numbers(plain.values), numbers(followed.values)]
      expect(b).toHaveLength(a.length)
      a.forEach((x, i) => {
        if (x === null) expect(b[i]).toBeNull()
        else expect(Math.abs(x - b[i]!)).toBeLessThan(1e-6 * Math.max(1, Math.abs(x)))
      })
      expect(followed.checks.map(({ verdict }) => verdict)).toEqual(plain.checks.map(({ verdict }) => verdict))
      expect(followed.complete).toBe(true)
      // Every batch runs a graph of its own; variants and firing edits are counted once all the same.
      expect(followed.cost.variants).toBe(plain.cost.variants)
      expect(followed.edits).toEqual(plain.edits)
      expect(partials.length).toBeGreaterThanOrEqual(least)
      for (const { complete, checks } of partials) {
        expect(complete).toBe(false)
        expect(checks).toMatchObject([{ verdict: 'not tested', why: 'the work is still running' }])
      }
      const counts = partials.map(({ values }) => done(values))
      if (/one pair|ablation/.test(name)) {
        expect(counts).toEqual([...counts].sort((x, y) => x - y))
        expect(new Set(counts).size).toBeGreaterThan(2)
      }
      const last = partials.at(-1)!
      expect(last.cost.variants).toBeLessThanOrEqual(followed.cost.variants)
    })
  })

  it('what is done in a partial result is what the end says', async () => {
    const model = await open()
    const partials: number[][] = []
    const [run] = RUNS['patching, one pair']!
    const { values } = await run(model, {
      onPartial: ({ values }) => partials.push((values as { values: number[][] }).values.flat()),
    })
    const final = (values as { values: number[][] }).values.flat()
    for (const cells of partials)
      cells.forEach((cell, i) => {
        if (cell !== null) expect(cell).toBe(final[i])
      })
    expect(partials[0]!.filter((cell) => cell !== null).length).toBeLessThan(final.length)
  })

  it.each(Object.entries(RUNS))('%s: a cancel keeps what the last partial result had', async (_, [run]) => {
    const model = await open()
    const controller = new AbortController()
    let seen: MethodResult<object> | undefined
    const cancelled = await run(model, {
      signal: controller.signal,
      onPartial(result) {
        seen = result
        controller.abort()
      },
    })
    expect(cancelled.complete).toBe(false)
    expect(cancelled.values).toEqual(seen!.values)
  })

  it('sweeps in the lab: smaller batches where somebody watches', async () => {
    const model = await open()
    const variants = Array.from({ length: 20 }, (_, i): Edit[] => [
      { hook: `blocks.${i % 2}.mlp.hook_post`, kind: 'zero', neurons: [i >> 1] },
    ])
    const seen: (readonly number[])[] = []
    const onBatch = ({ base, values }: { base: number; values: readonly number[] }) => {
      expect(base).not.toBeNaN()
      seen.push(values)
    }
    const watched = await model.variants(PAIR.clean, variants, logit(1), { onBatch })
    // Twenty in batches of two; the last batch is the result.
    const counts = seen.map((values) => values.filter((x) => !Number.isNaN(x)).length)
    expect(counts).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18])
    const runs = model.engine.statistics.runs
    const plain = await model.variants(PAIR.clean, variants, logit(1))
    expect(model.engine.statistics.runs - runs).toBe(1)
    plain.values.forEach((x, i) => {
      expect(watched.values[i]).toBeCloseTo(x, 6)
    })
  })
})
