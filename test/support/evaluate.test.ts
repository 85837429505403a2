import { describe, expect, it } from 'vitest'
import { input, tensor } from '../../src/tensor/index.ts'
import { erf } from './erf.ts'
import { evaluate } from './evaluate.ts'

describe('erf', () => {
  // The C library's erf, as Python's math.erf prints it.
  it.each([
    [0, 0],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [1.5, 0.9661051464753108],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [5, 0.9999999999984626],
  ])('erf(%f)', (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThan(5e-16)
    expect(erf(-x)).toBeCloseTo(-expected, 15)
  })
  it('its two expansions meet, and it ends at 1', () => {
    expect(Math.abs(erf(2.5 - 1e-15) - erf(2.5))).toBeLessThan(1e-15)
    expect(erf(Number.POSITIVE_INFINITY)).toBe(1)
    expect(erf(Number.NaN)).toBeNaN()
  })
})

describe('evaluate', () => {
  it('takes inputs by tensor and by name, and intermediate tensors as given', () => {
    const x = input('x', [2])
    const y = x.mul(2)
    const z = y.add(1)
    expect([...evaluate([z], new Map([['x', [1, 2]]]))[0]!]).toEqual([3, 5])
    expect([...evaluate([z], new Map([[x, [1, 2]]]))[0]!]).toEqual([3, 5])
    expect([...evaluate([z], new Map([[y, [10, 20]]]))[0]!]).toEqual([11, 21])
    expect(() => evaluate([z])).toThrow("the input 'x' has no values")
  })
  it('decodes lifted constants of every dtype', () => {
    for (const dtype of ['float32', 'float64', 'float16', 'int32', 'int64', 'bool'] as const)
      expect([...evaluate([tensor([0, 1], [2], dtype)])[0]!]).toEqual([0, 1])
  })
  it('divides integers and casts floats towards zero', () => {
    const n = tensor([7, -7], [2], 'int32')
    expect([...evaluate([n.div(2)])[0]!]).toEqual([3, -3])
    expect([...evaluate([tensor([1.7, -1.7]).cast('int64')])[0]!]).toEqual([1, -1])
  })
})
