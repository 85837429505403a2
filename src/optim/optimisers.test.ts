import { afterAll, describe, expect, it } from 'vitest'
import { Engine } from '../engine/index.ts'
import { createNodeBackend } from '../engine/node/backend.ts'
import { randomSource } from '../random/index.ts'
import { parseOptimiser, runSteps } from './step.fixture.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
afterAll(() => engine.dispose())

/** Gradients that do not depend on the parameter: the loss is sum(parameter * gradient). */
const random = randomSource(1, 'optimisers')
const size = 12
const start = Array.from({ length: size }, () => random.normal())
const gradients = Array.from({ length: 7 }, () => Array.from({ length: size }, () => random.normal() * 3))

/** The parameter after each of the steps, from the compiled step. */
async function compiled(optimiser: object, options: object = {}): Promise<number[][]> {
  return runSteps(engine, { ...options, optimiser: parseOptimiser(optimiser), start, gradients })
}

type Rule = (p: number, g: number, step: number, memory: { m: number; v: number }) => number

/** The same from a rule for one number, in double precision. */
function expected(rule: Rule): number[][] {
  const memory = start.map(() => ({ m: 0, v: 0 }))
  let values = start
  return gradients.map((gradient, s) => (values = values.map((p, i) => rule(p, gradient[i]!, s + 1, memory[i]!))))
}

function adamRule(lr: number, [b1, b2]: [number, number], epsilon: number, decoupled: number, l2: number): Rule {
  return (p, raw, step, memory) => {
    const g = raw + l2 * p
    memory.m = b1 * memory.m + (1 - b1) * g
    memory.v = b2 * memory.v + (1 - b2) * g * g
    const first = memory.m / (1 - b1 ** step)
    const second = memory.v / (1 - b2 ** step)
    return p - lr * decoupled * p - (lr * first) / (Math.sqrt(second) + epsilon)
  }
}

function expectClose(actual: number[][], wanted: number[][], tolerance = 2e-6) {
  expect(actual).toHaveLength(wanted.length)
  for (const [s, values] of wanted.entries())
    for (const [i, value] of values.entries()) {
      expect(Math.abs(actual[s]![i]! - value), `step ${s + 1}, element ${i}`).toBeLessThan(tolerance)
    }
}

describe('optimisers follow their published formulas', () => {
  it('Adam, with and without a large epsilon', async () => {
    expectClose(await compiled({ name: 'adam', learningRate: 0.1 }), expected(adamRule(0.1, [0.9, 0.999], 1e-8, 0, 0)))
    expectClose(
      await compiled({ name: 'adam', learningRate: 0.1, betas: [0.5, 0.7], epsilon: 0.3 }),
      expected(adamRule(0.1, [0.5, 0.7], 0.3, 0, 0)),
    )
  })

  it('the first step of Adam is the learning rate in the direction of the sign, whatever the gradient', async () => {
    const [first] = await compiled({ name: 'adam', learningRate: 0.01 })
    for (const [i, value] of first!.entries())
      expect(value).toBeCloseTo(start[i]! - 0.01 * Math.sign(gradients[0]![i]!), 6)
  })

  it('bias correction at step 1 keeps its digits when beta is nearly 1', async () => {
    const [first] = await compiled({ name: 'adam', learningRate: 0.01, betas: [0.999999, 0.9999999] })
    // 1 - 0.9999999 in float32 alone is 20 % off; float32 moments themselves cost a few parts in 1e7
    for (const [i, value] of first!.entries())
      expect(Math.abs(value - (start[i]! - 0.01 * Math.sign(gradients[0]![i]!)))).toBeLessThan(2e-6)
  })

  it('weight decay of Adam is L2, that of AdamW is decoupled, and they differ', async () => {
    const l2 = await compiled({ name: 'adam', learningRate: 0.1, weightDecay: 0.5 })
    const decoupled = await compiled({ name: 'adamw', learningRate: 0.1, weightDecay: 0.5 })
    expectClose(l2, expected(adamRule(0.1, [0.9, 0.999], 1e-8, 0, 0.5)))
    expectClose(decoupled, expected(adamRule(0.1, [0.9, 0.999], 1e-8, 0.5, 0)))
    expect(Math.max(...l2[6]!.map((value, i) => Math.abs(value - decoupled[6]![i]!)))).toBeGreaterThan(0.05)
  })

  it('AdamW without a gradient only decays', async () => {
    const still = await runSteps(engine, {
      optimiser: parseOptimiser({ name: 'adamw', learningRate: 0.1, weightDecay: 2 }),
      start,
      gradients: gradients.map((gradient) => gradient.map(() => 0)),
    })
    expectClose(
      still,
      gradients.map((_, s) => start.map((p) => p * 0.8 ** (s + 1))),
    )
  })

  it('SGD, with momentum and decoupled decay', async () => {
    const plain: Rule = (p, g) => p - 0.02 * g
    expectClose(await compiled({ name: 'sgd', learningRate: 0.02 }), expected(plain))
    const heavy: Rule = (p, g, _, memory) => {
      memory.m = 0.9 * memory.m + g
      return p - 0.02 * 0.5 * p - 0.02 * memory.m
    }
    expectClose(await compiled({ name: 'sgd', learningRate: 0.02, momentum: 0.9, weightDecay: 0.5 }), expected(heavy))
  })

  it("decay on 'weights' exempts biases and norms, on 'all' nothing", async () => {
    const decay = (decays: string) => ({ name: 'sgd', learningRate: 0.02, weightDecay: 1, decays })
    const exempt = await compiled(decay('weights'), { decays: false })
    const weights = await compiled(decay('weights'), { decays: true })
    const all = await compiled(decay('all'), { decays: false })
    expectClose(
      exempt,
      expected((p, g) => p - 0.02 * g),
    )
    expectClose(
      weights,
      expected((p, g) => p - 0.02 * p - 0.02 * g),
    )
    expect(all).toEqual(weights)
  })

  it('clipping shortens long gradients to the norm, and leaves short ones as they are', async () => {
    const norms = gradients.map((gradient) => Math.hypot(...gradient))
    const limit = [...norms].sort((a, b) => a - b)[3]! // some are longer, some shorter
    const clipped: Rule = (p, g, step) => p - 0.02 * g * Math.min(1, limit / norms[step - 1]!)
    expectClose(await compiled({ name: 'sgd', learningRate: 0.02 }, { clip: limit }), expected(clipped))
  })
})

describe('an optimiser as data', () => {
  it.each([
    [{ name: 'adamx', learningRate: 1 }, /"adamw" \| "adam" \| "sgd"/],
    [{ name: 'adam' }, /learningRate/],
    [{ name: 'adam', learningRate: -1 }, />=0/],
    [{ name: 'adam', learningRate: 1, betas: [0.9, 1] }, /<1/],
    [{ name: 'sgd', learningRate: 1, betas: [0.9, 0.99] }, /never/],
  ])('%j is refused', (spec, message) => {
    expect(() => parseOptimiser(spec)).toThrow(message)
  })
})
