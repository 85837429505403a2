import * as ort from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { concat, constant, input, tensor } from '../tensor/index.ts'
import { Engine, OrtBackend, type OrtModule, type TensorValue } from './index.ts'

/** An engine as it is where ONNX Runtime has no float64 (its build for WebGPU in browsers), and one as usual. */
const [narrow, plain] = [true, false].map(
  (narrowsFloat64) =>
    new Engine({
      backend: new OrtBackend({
        ort: ort as unknown as OrtModule,
        name: 'test',
        blocking: true,
        copiesInputs: false,
        narrowsFloat64,
        sessionOptions: { logSeverityLevel: 3 },
      }),
    }),
) as [Engine, Engine]
afterAll(async () => {
  await narrow.dispose()
  await plain.dispose()
})

const doubles = (...values: number[]): TensorValue => ({
  dtype: 'float64',
  shape: [values.length],
  data: Float64Array.from(values),
})

describe('float64 where ONNX Runtime has none', () => {
  /** Float64 as a feed, a weight, a lifted array, constants, casts both ways, and an output. */
  const graph = () => {
    const x = input('x', [3], 'float64')
    const y = x
      .mul(input('w', [3], 'float64'))
      .add(constant(0.1, 'float64'))
      .exp()
      .cos()
    return [concat([y, tensor([1, 2]).cast('float64')], 0), y.cast('float32').sum()] as const
  }

  it('is computed as float32: values, dtypes and shapes are as usual but for the last digits', async () => {
    const run = async (engine: Engine, residency: 'inputs' | 'resident') => {
      const weights = new Map([['w', await engine.backend.store(doubles(0.5, -1, 2))]])
      return engine.evaluate(graph(), { x: doubles(0.1, 0.2, 0.3) }, { weights, residency })
    }
    const wanted = await run(plain, 'inputs')
    for (const residency of ['inputs', 'resident'] as const) {
      const got = await run(narrow, residency)
      expect(got.map(({ dtype, shape, data }) => [dtype, shape, data.constructor.name])).toEqual([
        ['float64', [5], 'Float64Array'],
        ['float32', [], 'Float32Array'],
      ])
      for (const [i, { data }] of got.entries())
        for (const [j, value] of [...data].entries()) expect(value).toBeCloseTo(Number(wanted[i]!.data[j]), 6)
    }
    // it is really narrower: a part in 1e12 is lost
    const tiny = (engine: Engine) =>
      engine.evaluate([input('x', [1], 'float64').sub(constant(1, 'float64'))], { x: doubles(1 + 1e-12) })
    expect((await tiny(plain))[0]!.data[0]).toBeGreaterThan(0)
    expect((await tiny(narrow))[0]!.data[0]).toBe(0)
  })
})
