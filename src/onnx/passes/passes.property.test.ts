import fc from 'fast-check'
import { expect, it } from 'vitest'
import { evaluate } from '../../../test/support/evaluate.ts'
import { randomGraphs } from '../../../test/support/random-graph.ts'
import { largestDifference, runGraph } from '../../../test/support/run-graph.ts'
import { printGraph, sameType } from '../../tensor/index.ts'
import { optimise } from './index.ts'

it('a random graph computes the same with and without passes, and what the double-precision reference computes', async () => {
  await fc.assert(
    fc.asyncProperty(randomGraphs, async (outputs) => {
      const expected = evaluate(outputs)
      const optimised = optimise(outputs)
      const print = printGraph(Object.fromEntries(outputs.entries()))
      outputs.forEach((output, i) => {
        expect(sameType(optimised[i]!, output), print).toBe(true)
      })
      const [after, plain, fused] = [evaluate(optimised), await runGraph(outputs, false), await runGraph(outputs)]
      outputs.forEach((_, i) => {
        expect(largestDifference(after[i]!, expected[i]!), print).toBeLessThan(1e-9)
        expect(largestDifference(plain[i]!, expected[i]!), print).toBeLessThan(2e-4)
        expect(largestDifference(fused[i]!, expected[i]!), print).toBeLessThan(2e-4)
      })
    }),
    { numRuns: Number(process.env.PROPERTY_RUNS ?? 150) },
  )
})
