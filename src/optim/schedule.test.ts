import * as v from 'valibot'
import { afterAll, describe, expect, it } from 'vitest'
import { Engine } from '../engine/index.ts'
import { createNodeBackend } from '../engine/node/backend.ts'
import { input } from '../tensor/index.ts'
import { learningRateAt, type Schedule, scheduleSchema } from './schedule.ts'
import { parseOptimiser, runSteps } from './step.fixture.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
afterAll(() => engine.dispose())

const peak = 0.3

/** The compiled learning rates of steps 1, 2, .. count: every operation is elementwise, so one vector stands for all steps. */
async function rates(schedule: object, lastStep: number, count = lastStep): Promise<number[]> {
  const rate = learningRateAt(input('steps', [count], 'float64'), peak, v.parse(scheduleSchema, schedule), lastStep)
  const data = Float64Array.from({ length: count }, (_, s) => s + 1)
  const [value] = await engine.evaluate(
    [rate],
    rate.rank === 0 ? {} : { steps: { dtype: 'float64', shape: [count], data } },
  )
  // a constant rate reads no step
  return rate.rank === 0 ? Array(count).fill(value!.data[0]) : [...(value!.data as Float32Array)]
}

/** The published formulas, in double precision. */
function reference({ warmup, shape, final, end }: Schedule, lastStep: number, step: number): number {
  const rise = warmup === 0 ? 1 : Math.min(1, step / warmup)
  const done = Math.min(1, Math.max(0, (step - warmup) / ((end ?? lastStep) - warmup)))
  const left = { constant: 1, linear: 1 - done, cosine: (1 + Math.cos(Math.PI * done)) / 2 }[shape]
  return peak * rise * (shape === 'constant' ? 1 : final + (1 - final) * left)
}

describe('the learning rate', () => {
  it.each([
    [{}],
    [{ warmup: 4 }],
    [{ shape: 'linear' }],
    [{ shape: 'linear', warmup: 5, final: 0.1 }],
    [{ shape: 'cosine' }],
    [{ shape: 'cosine', warmup: 3, final: 0.25, end: 15 }],
    [{ shape: 'cosine', warmup: 19 }],
  ])('%j follows its formula at every step, and beyond its end', async (schedule) => {
    const values = await rates(schedule, 20, 30)
    const complete = v.parse(scheduleSchema, schedule)
    for (const [s, value] of values.entries()) {
      expect(value, `step ${s + 1}`).toBeCloseTo(reference(complete, 20, s + 1), 7)
    }
  })

  it('warm-up starts above zero and reaches the peak exactly at its last step', async () => {
    const values = await rates({ warmup: 8 }, 12)
    expect(values[0]).toBeCloseTo(peak / 8, 7)
    expect(values.slice(7)).toEqual(Array(5).fill(Math.fround(peak)))
  })

  it('schedules end exactly: at zero, or at the share that is to be left', async () => {
    expect((await rates({ shape: 'linear', warmup: 7 }, 123)).at(-1)).toBe(0)
    expect((await rates({ shape: 'cosine', warmup: 7 }, 123)).at(-1)).toBe(0)
    expect((await rates({ shape: 'cosine', final: 0.1 }, 123, 130)).slice(-8)).toEqual(Array(8).fill(Math.fround(0.03)))
  })

  it('a warm-up as long as the run only rises', async () => {
    expect((await rates({ shape: 'cosine', warmup: 20 }, 20)).at(-1)).toBe(Math.fround(peak))
  })

  it('is what the optimiser uses', async () => {
    const gradients = Array.from({ length: 10 }, () => [1])
    const schedule = v.parse(scheduleSchema, { shape: 'linear', warmup: 2 })
    const optimiser = parseOptimiser({ name: 'sgd', learningRate: peak })
    const values = await runSteps(engine, { optimiser, schedule, start: [0], gradients })
    let wanted = 0
    for (const [s, [value]] of values.entries()) {
      wanted -= reference(schedule, 10, s + 1)
      expect(value).toBeCloseTo(wanted, 6)
    }
  })
})
