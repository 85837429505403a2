import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openInductionToy } from '../../../test/support/induction-toy.ts'
import { openToy } from '../../../test/support/toy-model.ts'
import { toyConfig } from '../../../test/support/toy-models.ts'
import type { Model } from '../../lab/index.ts'
import { loadModel } from '../../lab/node/load-model.ts'
import { compositionScores, rankPairs } from '../circuits/composition.ts'
import { copyingScores } from './copying.ts'
import { HEAD_DETECTORS, headDetectors } from './head-detectors.ts'
import { headPatternScores, patternWeights } from './head-patterns.ts'
import { repeatedRandomTokens, shuffledTokens } from './repeated-tokens.ts'
import { inContextScore, nextTokens, repeatedTokenLoss } from './token-losses.ts'

/** A token that is never drawn: without it the first token would count as its own predecessor. */
const START = 29

describe('head detectors on a model with a planted induction circuit', () => {
  let model: Model
  beforeAll(async () => {
    model = await openInductionToy()
  })
  afterAll(() => model.dispose())

  it('finds every planted head and nothing else; nulls are low for content and high for position', async () => {
    const { values, checks, complete } = await headDetectors(model, [], { startToken: START })
    expect(complete).toBe(true)
    expect([values.examples, values.period, values.repeats, values.startToken?.id]).toEqual([10, 25, 2, START])
    const top = (name: (typeof HEAD_DETECTORS)[number]) => values.ranking[name][0]!
    expect(top('previous')).toMatchObject({ layer: 0, head: 0 })
    expect(top('previous').score).toBeGreaterThan(0.99)
    expect(top('previous').shuffled).toBeGreaterThan(0.99)
    expect(top('current')).toMatchObject({ layer: 0, head: 1 })
    expect(top('induction')).toMatchObject({ layer: 1, head: 0 })
    expect(top('induction').score).toBeGreaterThan(0.99)
    expect(top('induction').shuffled).toBeLessThan(0.2)
    expect(values.ranking.induction[1]!.score).toBeLessThan(0.2)
    expect(top('copying')).toMatchObject({ layer: 1, head: 0 })
    expect(top('duplicate').score).toBeLessThan(0.3)
    expect(values.found.map(({ job, layer, head }) => `${job} L${layer}H${head}`)).toEqual([
      'previous L0H0',
      'current L0H1',
      'induction L1H0',
    ])
    const { low, high, scores } = values.random.induction
    expect(low![1]![0]).toBeLessThanOrEqual(scores[1]![0]!)
    expect(high![1]![0]).toBeGreaterThanOrEqual(scores[1]![0]!)
    expect(Object.fromEntries(checks.map(({ name, verdict }) => [name, verdict]))).toEqual({
      'content scores are not habits of position': 'holds',
      'position scores survive shuffled tokens': 'holds',
      'enough examples': 'holds',
      'what induction heads find is used': 'holds',
      'random tokens and text agree': 'not tested',
    })
  })

  it('repeats are predicted, and help later tokens', async () => {
    const repeated = repeatedRandomTokens(model, { seed: 5, startToken: START })
    const all = await nextTokens(model, repeated.sequences)
    const { first, second, secondAccuracy } = repeatedTokenLoss(repeated, all)
    expect(second.mean).toBeLessThan(0.25 * first.mean)
    expect(secondAccuracy.mean).toBe(1)
    expect(first.low).toBeLessThanOrEqual(first.mean)
    const score = inContextScore(all, { early: 10, late: 40 })
    expect(score.mean).toBeLessThan(-2)
    expect(inContextScore(all)).toMatchObject({ early: 5, late: 50 })
  })

  it('K-composition names the previous-token head as what the induction head reads', async () => {
    const scores = await compositionScores(model)
    const [best, next] = rankPairs(scores, 'K')
    expect(best).toMatchObject({ from: { layer: 0, head: 0 }, to: { layer: 1, head: 0 } })
    expect(best!.z).toBeGreaterThan(5)
    expect(next!.z).toBeLessThan(best!.z / 2)
    expect(rankPairs(scores, 'K', true)[0]).toMatchObject({ from: { layer: 0, head: 0 }, to: { layer: 1, head: 0 } })
    expect(scores.random.K.mean).toBeCloseTo(1 / Math.sqrt(model.config.d_model), 2)
    expect(scores.scores.K[1]![0]).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('copying: the induction head raises what it attends to; with its values reversed it does not', async () => {
    const repeated = repeatedRandomTokens(model, { startToken: START })
    const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length
    const scores = await copyingScores(model, repeated)
    expect(mean(scores.map((perHead) => perHead[1]![0]!))).toBe(1)
    // Heads of noise stay near chance.
    expect(mean(scores.map((perHead) => perHead[1]![1]!))).toBeLessThan(0)
    const reversed = await copyingScores(model, repeated, {
      edits: [{ hook: 'blocks.1.attn.hook_v', kind: 'scale', factor: -1, heads: [0] }],
    })
    expect(mean(reversed.map((perHead) => perHead[1]![0]!))).toBe(-1)
  })
})

describe('head detectors', () => {
  const models: Model[] = []
  afterAll(() => Promise.all(models.map((model) => model.dispose())))

  it('weights of the pairs: hand-written sequence', () => {
    const [a, b] = [3, 4]
    const weights = patternWeights([a, b, a, b])
    const at = (detector: number, q: number, k: number) => weights[(detector * 4 + q) * 4 + k]
    expect(at(0, 2, 1)).toBeCloseTo(1 / 3) // previous
    expect(at(1, 2, 2)).toBeCloseTo(1 / 3) // current
    expect(at(2, 3, 0)).toBeCloseTo(1 / 3) // first
    expect(at(3, 2, 0)).toBeCloseTo(1 / 2) // duplicate: of queries 2 and 3
    expect(at(4, 2, 1)).toBeCloseTo(1 / 2) // induction: b followed a
    expect(at(4, 3, 2)).toBeCloseTo(1 / 2)
    expect(weights.filter((x) => x > 0)).toHaveLength(3 + 3 + 3 + 2 + 2)
    expect(
      patternWeights([1, 2, 3])
        .slice(3 * 9)
        .some(Number.isNaN),
    ).toBe(true)
  })

  it('random tokens: start token first, different within a period, shuffled without their order', async () => {
    const model = await openToy(toyConfig({ n_ctx: 24 }))
    models.push(model)
    const { sequences, period, repeats } = repeatedRandomTokens(model, { startToken: 6, examples: 3 })
    expect([period, repeats]).toEqual([6, 3])
    for (const ids of sequences) {
      expect(ids[0]).toBe(6)
      expect(new Set(ids.slice(1, 7)).size).toBe(6)
      expect(ids.slice(1, 7)).toEqual(ids.slice(7, 13))
      const shuffled = shuffledTokens(ids, 6, 0)
      expect(shuffled[0]).toBe(6)
      expect([...shuffled].sort()).toEqual([...ids].sort())
      expect(shuffled).not.toEqual(ids)
    }
    expect(sequences[0]).not.toEqual(sequences[1])
    expect(() => repeatedRandomTokens(model, { period: 20, repeats: 4 })).toThrow('has room for 24')
    expect(() => repeatedRandomTokens(model, { period: 10, repeats: 2 })).toThrow('there are 7 to draw from')
    expect(() => repeatedRandomTokens(model, { repeats: 1 })).toThrow('repeats 1')
  })

  it('a head that looks a fixed way back is no induction head, whatever its score', async () => {
    const model = await openToy(toyConfig({ n_ctx: 24 }))
    models.push(model)
    const { sequences } = repeatedRandomTokens(model)
    const length = sequences[0]!.length
    const data = new Float32Array(length * length)
    // One period of 7 back and one forward again: where a repeated token's follower stands.
    for (let q = 0; q < length; q++) data[q * length + Math.max(0, q - 6)] = 1
    const { values, checks } = await headDetectors(model, [], {
      edits: [{ hook: 'blocks.*.attn.hook_pattern', kind: 'replace', value: { shape: [1, length, length], data } }],
    })
    expect(values.period).toBe(7)
    expect(values.ranking.induction[0]!.score).toBeGreaterThan(0.6)
    expect(values.ranking.induction[0]!.beyond).toBeCloseTo(0, 6)
    expect(values.found).toEqual([])
    expect(checks[0]).toMatchObject({ name: 'content scores are not habits of position', verdict: 'not tested' })
    expect(checks[0]!.why).toMatch(/habits of position: induction L\dH\d: (\S+) to \1$/)
  })

  it('scores on text agree with scores of the same tokens by themselves', async () => {
    const model = await openToy(toyConfig({ n_ctx: 24 }))
    models.push(model)
    const prompt = [1, 4, 2, 1, 4, 2, 5]
    const { values, checks } = await headDetectors(model, [prompt], { examples: 2 })
    const [own] = await headPatternScores(model, [prompt])
    expect(values.text!.induction.scores).toEqual(own!.induction)
    expect(values.text!.induction.low).toBeNull()
    expect(checks.at(-1)!.verdict).not.toBe('not tested')
  })
})

const stories = fileURLToPath(new URL('../../../../shared/checkpoints/stories260K', import.meta.url))
describe.skipIf(!existsSync(stories))('head detectors on stories260K (skipped without ../shared)', () => {
  it('scores of a real model with grouped queries and rotary positions', async () => {
    const model = await loadModel(stories)
    try {
      const { values, checks } = await headDetectors(model, ['Once upon a time, there was a little girl named Lily.'], {
        examples: 4,
      })
      expect(values.startToken?.id).toBe(1)
      for (const name of HEAD_DETECTORS) {
        const scores = values.random[name].scores.flat()
        expect(scores).toHaveLength(40)
        const least = name === 'copying' ? -1 : 0
        expect(scores.every((x) => x !== null && x >= least - 1e-5 && x <= 1 + 1e-5)).toBe(true)
      }
      expect(values.ranking.previous[0]!.score).toBeGreaterThan(0.3)
      expect(checks).toHaveLength(5)
    } finally {
      await model.dispose()
    }
  })
})
