import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dtypeOf, fromHalfBits, toHalfBits, typedArrayFrom } from './index.ts'

describe('half precision', () => {
  it('every one of the 65536 patterns survives decoding and encoding', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = fromHalfBits(bits)
      if (Number.isNaN(value)) expect(fromHalfBits(toHalfBits(value))).toBeNaN()
      else if (toHalfBits(value) !== bits) expect.fail(`${bits} became ${toHalfBits(value)}`)
    }
  })
  it('decodes the standard examples', () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x3555, 0x7c00, 0xfc00].map(fromHalfBits)).toEqual([
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      0.333251953125,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ])
  })
  it('rounds to the nearest half, ties to even, without rounding twice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7bfe }), fc.double({ min: 0, max: 1, noNaN: true }), (bits, t) => {
        const [low, high] = [fromHalfBits(bits), fromHalfBits(bits + 1)]
        const value = low + t * (high - low)
        const nearer = value - low < high - value || (value - low === high - value && bits % 2 === 0) ? bits : bits + 1
        expect(toHalfBits(value)).toBe(nearer)
        expect(toHalfBits(-value)).toBe(nearer | 0x8000)
      }),
      { numRuns: 2000 },
    )
    expect(toHalfBits(1 + 2 ** -11)).toBe(0x3c00)
    expect(toHalfBits(1 + 2 ** -11 + 2 ** -45)).toBe(0x3c01) // float32 would round this to the tie first
    expect([65519.99, 65520, 1e300, 2 ** -25, 2 ** -25 + 2 ** -60].map(toHalfBits)).toEqual([
      0x7bff, 0x7c00, 0x7c00, 0, 1,
    ])
  })
})

describe('typedArrayFrom', () => {
  it('makes the array of each dtype', () => {
    for (const dtype of ['float32', 'float64', 'float16', 'int32', 'int64', 'bool'] as const)
      expect(dtypeOf(typedArrayFrom(dtype, [0, 1]))).toBe(dtype)
    expect([...typedArrayFrom('int64', [3, 4n])]).toEqual([3n, 4n])
    expect([...typedArrayFrom('bool', [2, false, true])]).toEqual([1, 0, 1])
    expect([...typedArrayFrom('float16', [1])]).toEqual([0x3c00])
  })
  it('refuses a fraction in an integer dtype', () => {
    expect(() => typedArrayFrom('int32', [1.5])).toThrow('1.5 is not an int32')
    expect(() => typedArrayFrom('int64', [Number.NaN])).toThrow('NaN is not an int64')
  })
})
