import { expect, it } from 'vitest'
import { inductionProblem, plantedInduction } from '../../../test/support/induction-problem.ts'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { compileEvaluation } from '../evaluate.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })

async function evaluate(planted: ReturnType<typeof inductionProblem>, values: ReadonlyMap<string, Float32Array>) {
  const measured: Record<string, number | number[]> = {}
  for (const evaluation of planted.problem.evaluations) {
    const run = compileEvaluation(engine, planted.problem.parameters, evaluation)
    Object.assign(measured, await run(values))
    run.release()
  }
  return measured
}

it('sees a planted induction circuit in every evaluation', async () => {
  const planted = inductionProblem(5)
  const measured = await evaluate(planted, plantedInduction(planted))
  const prefix = measured['heads/prefixMatching'] as number[]
  expect(prefix).toHaveLength(4)
  expect(prefix[2]).toBeGreaterThan(0.99)
  expect(Math.max(prefix[0]!, prefix[1]!, prefix[3]!)).toBeLessThan(0.15)
  const previous = measured['heads/previousToken'] as number[]
  expect(previous[0]).toBeGreaterThan(0.99)
  expect(Math.max(...previous.slice(1))).toBeLessThan(0.15)
  expect(measured['repeats/accuracy']).toBe(1)
  // e^5 against 62 others and the token's own e: 0.40 nats
  expect(measured['repeats/second']).toBeCloseTo(Math.log(1 + (62 + Math.E) / Math.exp(5)), 1)
  expect(measured['repeats/ratio']).toBeLessThan(0.2)
  expect(measured['text/inContext']).toBeLessThan(-0.3)
  expect(measured['text/byPosition']).toHaveLength(32)
})

it('sees none in a model that has just been drawn', async () => {
  const planted = inductionProblem(5)
  const measured = await evaluate(planted, planted.problem.initial())
  expect(Math.max(...(measured['heads/prefixMatching'] as number[]))).toBeLessThan(0.15)
  expect(measured['repeats/ratio']).toBeGreaterThan(0.8)
  expect(measured['repeats/accuracy']).toBeLessThan(0.2)
})

it('draws every batch as a function of config, seed and index, and no test sequence twice', () => {
  const { problem } = inductionProblem(5)
  const tokens = (index: number, seed = 5) => inductionProblem(seed).problem.microBatch(index).tokens
  expect(problem.microBatch(7).tokens).toEqual(tokens(7))
  expect(tokens(7)).not.toEqual(tokens(8))
  expect(tokens(7)).not.toEqual(tokens(7, 6))
  expect(tokens(7)).toHaveLength(4 * 65)
})
