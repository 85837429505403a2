import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inductionProblem, plantedInduction } from '../../../test/support/induction-problem.ts'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import type { Model } from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import { inductionText } from '../../train/tasks/induction.ts'
import { openTrainedModel } from '../trained-model.ts'
import { ablationShares, inContextScore, type Texts } from './ablation.ts'
import { type Circuit, circuitScalars, measureCircuit } from './circuit.ts'
import { keysByKind, longerMatches } from './longer-matches.ts'

const planted = inductionProblem(5)
const circuit: Circuit = { induction: [{ layer: 1, head: 0 }], previousToken: [{ layer: 0, head: 0 }], twoBack: [] }

describe('measures of a planted induction circuit', () => {
  let model: Model
  let texts: Texts
  beforeAll(async () => {
    const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
    model = await openTrainedModel(planted.problem, plantedInduction(planted), engine)
    const draw = inductionText(planted.config, 5)
    const prompts = (use: string, count: number) =>
      Array.from({ length: count }, (_, i) => [...draw(randomSource(5, use, i)).subarray(0, 64)])
    texts = { prompts: prompts('measure', 96), reference: prompts('reference', 4) }
  })
  afterAll(() => model.dispose())

  it('finds what composes with what, and what copies', async () => {
    const measured = await measureCircuit(model, planted.config.vocabulary, { seed: 0 })
    const scalars = circuitScalars(measured, circuit)
    expect(measured.prefixMatching[0]).toMatchObject({ layer: 1, head: 0 })
    expect(scalars.bestPrefixShuffled).toBeLessThan(0.2)
    expect(scalars.strongestKeyCompositionIsInduction).toBe(1)
    expect(scalars.keyCompositionZ).toBeGreaterThan(5)
    expect(scalars.queryCompositionZ).toBeLessThan(0)
    expect(scalars.valueCompositionZ).toBeLessThan(0)
    expect(scalars.leastInductionCopying).toBeGreaterThan(0.5)
  })

  it('gives the whole score to the heads of the circuit, through attention, and none to others', async () => {
    const shares = await ablationShares(model, circuit, texts, { otherSets: 3, seed: 0 })
    expect(shares.whole).toBeLessThan(-0.3)
    expect(shares.induction).toBeGreaterThan(0.85)
    expect(shares.previousToken).toBeGreaterThan(0.85)
    expect(Math.abs(shares.previousTokenPatternsKept)).toBeLessThan(0.05)
    expect(shares.twoBack).toBeNaN()
    for (const share of [...shares.others, ...shares.othersButTwoBack]) expect(Math.abs(share)).toBeLessThan(1e-4)
  })

  it('sees that the planted heads match one token, whatever came before it', async () => {
    const { twoBack, twoTokenShare } = await longerMatches(model, circuit.induction, texts.prompts.slice(0, 8))
    expect(twoBack.map(({ layer, head }) => [layer, head])).toEqual([
      [0, 0],
      [0, 1],
    ])
    for (const { score } of twoBack) expect(score).toBeLessThan(0.15)
    // attention is even over the followers of all earlier occurrences
    expect(twoTokenShare).toBeGreaterThan(0.3)
    expect(twoTokenShare).toBeLessThan(0.7)
  })

  it('scores text without repeats as nothing learned from context', async () => {
    const random = randomSource(9, 'noise')
    const noise = Array.from({ length: 96 }, () => [64, ...Array.from({ length: 63 }, () => random.integer(64))])
    expect(Math.abs(await inContextScore(model, noise, []))).toBeLessThan(
      Math.abs(await inContextScore(model, texts.prompts, [])),
    )
  })
})

it('tells followers of two-token matches from those of one, where a query has both', () => {
  // the last 2 has come before twice: after 1, as now, and after 3
  const text = [9, 1, 2, 5, 3, 2, 6, 1, 2]
  const keys = keysByKind(text)
  const marked = (kind: number, query: number) =>
    text.flatMap((_, key) => (keys[(kind * text.length + query) * text.length + key] === 1 ? [key] : []))
  expect(marked(0, 8)).toEqual([6])
  expect(marked(1, 8)).toEqual([6])
  expect(marked(2, 8)).toEqual([3])
  // one earlier 2, and not after the same token: nothing to choose between
  expect([...marked(1, 5), ...marked(2, 5)]).toEqual([])
})
