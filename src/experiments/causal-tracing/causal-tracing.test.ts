import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import type { Model } from '../../lab/index.ts'
import { type CausalTraceValues, causalTracing, TOKEN_CLASSES } from '../../methods/index.ts'
import type { Problem } from '../../train/index.ts'
import { facts } from '../../train/tasks/facts.ts'
import { openTrainedModel } from '../trained-model.ts'
import { isKnown, noiseAccuracy } from './accuracy.ts'
import { handOver } from './hand-over.ts'
import { mapsAgree, siteLayer, sitesOf } from './sites.ts'
import { tracedFacts } from './traced-facts.ts'

const config = v.parse(facts.schema, {
  ...{ subjects: 30, firstNames: 8, lastNames: 8, relations: 2, objects: 10 },
  ...{ n_layers: 3, d_model: 16, n_heads: 2 },
})

/** A map [layer][class] that is 0 but for the cells given as [layer, class, effect]. */
const mapOf = (cells: readonly (readonly [number, (typeof TOKEN_CLASSES)[number], number])[]) =>
  Array.from({ length: 4 }, (_, layer) =>
    TOKEN_CLASSES.map((token) => {
      if (token === 'middle subject tokens') return null
      return cells.find(([at, name]) => at === layer && name === token)?.[2] ?? 0
    }),
  )

describe('sites', () => {
  const whole = mapOf([
    [0, 'first subject token', 0.1],
    [0, 'last subject token', 0.3],
    [1, 'last subject token', 0.6],
    [2, 'first subject token', -0.02],
    [2, 'last subject token', 0.8],
    [2, 'last token', 0.4],
    [3, 'last token', 0.8],
  ])
  const withoutMlps = mapOf([
    [1, 'last subject token', 0.15],
    [3, 'last token', 0.8],
  ])
  const withoutAttention = mapOf([
    [1, 'last subject token', 0.54],
    [3, 'last token', 0.2],
  ])
  const values = {
    ...{ measure: 'probability', layers: [0, 1, 2, 3], totalEffect: { probability: 0.8, logit_difference: 9 } },
    traces: [
      { state: 'resid', severed: null, byClass: whole },
      { state: 'resid', severed: 'mlp', byClass: withoutMlps },
      { state: 'resid', severed: 'attn', byClass: withoutAttention },
    ],
  } as unknown as CausalTraceValues

  it('are the first layers that bring back half, and lose what severed layers carried', () => {
    const sites = sitesOf(values)
    expect(sites.earlyLayer).toBe(1)
    // the third layer is not early, however much it brings back
    expect(sites.earlyShare).toBeCloseTo(0.75, 10)
    expect(sites.firstNameLate).toBeCloseTo(0.025, 10)
    expect([sites.lateLayer, sites.lateShare]).toEqual([2, 0.5])
    expect(sites.mlpCutEarly).toBeCloseTo(0.75, 10)
    expect(sites.attentionCutEarly).toBeCloseTo(0.1, 10)
    expect([sites.mlpCutLate, sites.attentionCutLate]).toEqual([1, 1])
    expect(siteLayer([0.1, 0.3, 0.2])).toBe(1)
  })

  it('maps are ranked over layers and the classes that prompts have', () => {
    const turned = mapOf([]).map((row, l) => row.map((x, c) => (x === null ? null : -(whole[l]![c] as number))))
    const other = {
      ...values,
      traces: [{ state: 'resid', severed: null, byClass: turned }],
    } as unknown as CausalTraceValues
    expect(mapsAgree(values, values, 'resid')).toBeCloseTo(1, 10)
    expect(mapsAgree(values, other, 'resid')).toBeCloseTo(-1, 10)
  })
})

describe('facts that are traced', () => {
  const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
  let model: Model
  beforeAll(async () => {
    const problem = facts.create(config, 3, { readFile: () => Promise.reject(new Error('no files')) }) as Problem
    // weights as they are drawn do nothing yet: larger ones make every layer matter
    const values = [...problem.initial()].map(
      ([name, data]) => [name, data.map((x) => (/ln/.test(name) ? x : 4 * x))] as const,
    )
    model = await openTrainedModel(problem, new Map(values), engine)
  })
  afterAll(async () => {
    await model.dispose()
    await engine.dispose()
  })

  it('differ from their corrupted prompts in both names only, and have another answer', () => {
    const traced = tracedFacts(config, 3, 40)
    for (const { clean, corrupt, subject, answer, wrong } of traced) {
      expect(clean.flatMap((id, p) => (id === corrupt[p] ? [] : [p]))).toEqual(subject)
      expect(wrong).not.toBe(answer)
    }
    expect(tracedFacts(config, 3, 5)).toEqual(traced.slice(0, 5))
    expect(tracedFacts({ ...config, dependsOn: 'relation' }, 3, 5).map(({ wrong }) => wrong)).toEqual(
      new Array(5).fill(undefined),
    )
  })

  it('the hand-over restores what causal tracing restores; noise of no size forgets nothing', async () => {
    const own = tracedFacts(config, 3, 6).map((fact) => ({ ...fact, answer: undefined, wrong: undefined }))
    const options = { corruption: 'replacement', window: 1, states: ['resid'] } as const
    const { values } = await causalTracing(model, own, options)
    // an untrained model's own answers, as it gives others hardly any probability
    const traced = tracedFacts(config, 3, 6).map((fact, i) => ({ ...fact, answer: values.prompts[i]!.answer.id }))
    const column = TOKEN_CLASSES.indexOf('last subject token')
    for (const layer of [0, 1]) {
      const handed = await handOver(model, traced, layer, {})
      expect(handed.restored).toBeCloseTo((values.traces[0]!.byClass as number[][])[layer]![column]!, 5)
      // what is held as corrupted changes what comes of it
      for (const other of [handed.withoutAttention, handed.withoutMlps])
        expect(Math.abs(other - handed.restored)).toBeGreaterThan(1e-5)
      expect(Math.abs(handed.beforeMlpWithoutMlps - handed.restoredBeforeMlp)).toBeGreaterThan(1e-5)
    }
    expect(await isKnown(model, traced, {})).toEqual(new Array(6).fill(true))
    const accuracy = (sigma: number) => noiseAccuracy(model, traced, { sigma, draws: 4, seed: 0 })
    expect(await accuracy(0)).toBe(1)
    expect(await accuracy(10)).toBeLessThan(1)
  })
})
