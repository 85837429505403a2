import { afterAll, describe, expect, it } from 'vitest'
import { Engine } from '../engine/index.ts'
import { createNodeBackend } from '../engine/node/backend.ts'
import { normalValues, randomSource } from '../random/index.ts'
import type { Tensor, TypedArray } from '../tensor/index.ts'
import { preciseCrossEntropy } from './losses.ts'
import { parseOptimiser } from './step.fixture.ts'
import type { Parameter, Parameters } from './trace-step.ts'
import { compileTrainingStep, type TrainingState, type TrainingStepOptions } from './training-step.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
afterAll(() => engine.dispose())

const schedule = { warmup: 0, shape: 'constant', final: 0 } as const

// A classifier: [B, 6] -> hidden 8 (gelu) -> 5 classes.
const parameters: Parameter[] = [
  { name: 'W_in', shape: [6, 8], decays: true },
  { name: 'b_in', shape: [8], decays: false },
  { name: 'W_out', shape: [8, 5], decays: true },
]
const logits = (values: Parameters, x: Tensor) =>
  x.matmul(values.get('W_in')!).add(values.get('b_in')!).gelu('tanh').matmul(values.get('W_out')!)

const initial = () =>
  new Map(
    parameters.map(({ name, shape }) => [
      name,
      normalValues(
        shape.reduce((a, b) => a * b, 1),
        0.5,
        randomSource(3, name),
      ),
    ]),
  )

/** Examples with random classes. */
function examples(count: number, seed: number): { x: Float32Array; y: BigInt64Array } {
  const random = randomSource(seed, 'examples')
  return {
    x: normalValues(count * 6, 1, random),
    y: BigInt64Array.from({ length: count }, () => BigInt(random.integer(5))),
  }
}

function compile(batch: number, options: Partial<TrainingStepOptions> = {}) {
  return compileTrainingStep(engine, {
    parameters,
    batch: { x: { dtype: 'float32', shape: [batch, 6] }, y: { dtype: 'int64', shape: [batch] } },
    loss: (values, { x, y }) => {
      const out = logits(values, x!)
      return {
        loss: preciseCrossEntropy(out, y!).mean(),
        metrics: { largest: out.max(), perClass: out.mean([0]) },
      }
    },
    optimiser: parseOptimiser({ name: 'adamw', learningRate: 0.05, weightDecay: 0.1 }),
    schedule,
    lastStep: 100,
    ...options,
  })
}

/** Several batches behind one another, as one run of the step takes them. */
function joined(batches: readonly { x: Float32Array; y: BigInt64Array }[]): Record<string, TypedArray> {
  return {
    x: Float32Array.from(batches.flatMap(({ x }) => [...x])),
    y: BigInt64Array.from(batches.flatMap(({ y }) => [...y])),
  }
}

function largestDifference(a: TrainingState, b: TrainingState): number {
  const pairs = [...a.parameters, ...a.moments].map(([name, values]) => {
    const others = b.parameters.get(name) ?? b.moments.get(name)!
    return Math.max(...values.map((value, i) => Math.abs(value - others[i]!)))
  })
  return Math.max(...pairs)
}

describe('the compiled training step', () => {
  it('several steps per run are the same as single steps', async () => {
    const batches = Array.from({ length: 6 }, (_, i) => examples(4, i))
    const one = compile(4)
    let single = one.start(initial())
    const singleMeasures = []
    for (const batch of batches) {
      const { state, measures } = await one.run(single, { ...batch })
      single = state
      singleMeasures.push(...measures)
    }
    const three = compile(4, { stepsPerRun: 3 })
    let grouped = three.start(initial())
    const groupedMeasures = []
    for (const begin of [0, 3]) {
      const { state, measures } = await three.run(grouped, joined(batches.slice(begin, begin + 3)))
      grouped = state
      groupedMeasures.push(...measures)
    }
    expect(grouped.step).toBe(6)
    expect(groupedMeasures.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6])
    expect(largestDifference(single, grouped)).toBeLessThan(1e-6)
    for (const [s, { loss, gradientNorm, metrics }] of groupedMeasures.entries()) {
      const wanted = singleMeasures[s]!
      expect(loss).toBeCloseTo(wanted.loss, 6)
      expect(gradientNorm).toBeCloseTo(wanted.gradientNorm, 6)
      expect(metrics.largest).toBeCloseTo(wanted.metrics.largest as number, 6)
      const perClass = metrics.perClass as number[]
      expect(perClass).toHaveLength(5)
      for (const [c, value] of perClass.entries())
        expect(value).toBeCloseTo((wanted.metrics.perClass as number[])[c]!, 6)
    }
  })

  it('accumulated micro-batches are one large batch, measures included', async () => {
    const parts = [examples(3, 0), examples(3, 1), examples(3, 2), examples(3, 3)]
    const clip = 0.05 // far below the gradient: it is the mean gradient that is clipped
    const [accumulated, whole] = [compile(3, { accumulate: 4, clip }), compile(12, { clip })]
    const a = await accumulated.run(accumulated.start(initial()), joined(parts))
    const b = await whole.run(whole.start(initial()), joined(parts))
    expect(largestDifference(a.state, b.state)).toBeLessThan(1e-6)
    expect(a.measures[0]!.loss).toBeCloseTo(b.measures[0]!.loss, 6)
    expect(a.measures[0]!.gradientNorm).toBeCloseTo(b.measures[0]!.gradientNorm, 6)
    expect(b.measures[0]!.gradientNorm).toBeGreaterThan(clip)
  })

  it('the gradient is that of finite differences', async () => {
    // SGD with rate 1 leaves p - gradient
    const step = compile(5, { optimiser: parseOptimiser({ name: 'sgd', learningRate: 1 }) })
    const [batch, start] = [examples(5, 9), initial()]
    const { state } = await step.run(step.start(start), { ...batch })
    for (const [name, values] of start) {
      for (const i of [0, values.length - 1, Math.floor(values.length / 2)]) {
        const moved = (by: number) =>
          new Map(start).set(
            name,
            Float32Array.from(values, (v, j) => (j === i ? v + by : v)),
          )
        const h = 1e-2
        const slope = (referenceLoss(moved(h), batch) - referenceLoss(moved(-h), batch)) / (2 * h)
        expect(values[i]! - state.parameters.get(name)![i]!, `${name}[${i}]`).toBeCloseTo(slope, 3)
      }
    }
  })

  it('its loss is the reference loss, in double precision', async () => {
    const step = compile(5)
    const [batch, start] = [examples(5, 9), initial()]
    const { measures } = await step.run(step.start(start), { ...batch })
    expect(measures[0]!.loss).toBeCloseTo(referenceLoss(start, batch), 6)
  })

  it('finds the optimum of a quadratic', async () => {
    // sum over a diagonal: 1/2 a (p - b)^2, with minimum b
    const [a, b] = [
      [1, 2, 0.5, 4],
      [3, -1, 0.25, 2],
    ]
    const step = compileTrainingStep(engine, {
      parameters: [{ name: 'p', shape: [4], decays: true }],
      batch: { a: { dtype: 'float32', shape: [4] }, b: { dtype: 'float32', shape: [4] } },
      loss: (values, { a, b }) => ({ loss: values.get('p')!.sub(b!).square().mul(a!).sum().mul(0.5) }),
      optimiser: parseOptimiser({ name: 'sgd', learningRate: 0.2, momentum: 0.5 }),
      schedule,
      lastStep: 200,
      stepsPerRun: 4,
    })
    const four = (values: number[]) => Float32Array.from([values, values, values, values].flat())
    let state = step.start(new Map([['p', new Float32Array(4)]]))
    const losses: number[] = []
    for (let run = 0; run < 50; run++) {
      const result = await step.run(state, { a: four(a), b: four(b) })
      state = result.state
      losses.push(...result.measures.map(({ loss }) => loss))
    }
    expect(losses[0]).toBeCloseTo(0.5 * (9 + 2 + 0.5 * 0.0625 + 16), 5)
    expect(losses.at(-1)).toBeLessThan(1e-10)
    for (const [i, value] of state.parameters.get('p')!.entries()) expect(value).toBeCloseTo(b[i]!, 5)
  })

  it('leaves the state that it was given as it was', async () => {
    const step = compile(4)
    const start = step.start(initial())
    await step.run(start, { ...examples(4, 0) })
    expect(start.step).toBe(0)
    for (const [name, values] of initial()) expect(start.parameters.get(name)).toEqual(values)
    for (const values of start.moments.values()) expect(values.every((value) => value === 0)).toBe(true)
  })

  it('the loss may read the number of the step', async () => {
    const step = compileTrainingStep(engine, {
      parameters: [{ name: 'p', shape: [], decays: true }],
      batch: {},
      loss: (values, _, number) => ({ loss: values.get('p')!.mul(number.cast('float32')) }),
      optimiser: parseOptimiser({ name: 'sgd', learningRate: 1 }),
      schedule,
      lastStep: 3,
      stepsPerRun: 3,
    })
    const { state, measures } = await step.run(step.start(new Map([['p', Float32Array.of(10)]])), {})
    expect(measures.map(({ loss }) => loss)).toEqual([10, 9 * 2, 7 * 3])
    expect(state.parameters.get('p')).toEqual(Float32Array.of(4))
  })

  it('parameters and batch arrays that the loss does not read stay as they are', async () => {
    const step = compileTrainingStep(engine, {
      parameters: [
        { name: 'used', shape: [2], decays: true },
        { name: 'unused', shape: [3], decays: true },
      ],
      batch: { read: { dtype: 'float32', shape: [2] }, unread: { dtype: 'int64', shape: [1] } },
      loss: (values, { read }) => ({ loss: values.get('used')!.mul(read!).sum() }),
      optimiser: parseOptimiser({ name: 'adam', learningRate: 0.1 }),
      schedule,
      lastStep: 3,
    })
    const values = new Map([
      ['used', Float32Array.of(1, 2)],
      ['unused', Float32Array.of(3, 4, 5)],
    ])
    const { state } = await step.run(step.start(values), { read: Float32Array.of(1, 1), unread: BigInt64Array.of(0n) })
    expect(state.parameters.get('unused')).toEqual(Float32Array.of(3, 4, 5))
    expect(state.parameters.get('used')![0]).toBeCloseTo(0.9, 6)
  })

  it('a loss that is no float scalar is refused', () => {
    const wrong = { loss: (values: Parameters) => ({ loss: values.get('b_in')! }) }
    expect(() => compile(4, wrong)).toThrow(
      /The loss to minimise must be a float scalar; it is .*8.* Reduce it with mean/,
    )
  })
})

/** The same loss in plain JavaScript, in double precision. */
function referenceLoss(
  values: ReadonlyMap<string, ArrayLike<number>>,
  { x, y }: { x: Float32Array; y: BigInt64Array },
): number {
  const [wIn, bIn, wOut] = ['W_in', 'b_in', 'W_out'].map((name) => values.get(name)!) as [
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
  ]
  const gelu = (v: number) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
  let total = 0
  for (let b = 0; b < y.length; b++) {
    const hidden = Array.from({ length: 8 }, (_, h) => {
      let sum = bIn[h]!
      for (let i = 0; i < 6; i++) sum += x[b * 6 + i]! * wIn[i * 8 + h]!
      return gelu(sum)
    })
    const scores = Array.from({ length: 5 }, (_, c) => hidden.reduce((sum, v, h) => sum + v * wOut[h * 5 + c]!, 0))
    const largest = Math.max(...scores)
    const norm = largest + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - largest), 0))
    total += norm - scores[Number(y[b])]!
  }
  return total / y.length
}
