import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtobufWriter } from './protobuf.ts'

const written = (write: (writer: ProtobufWriter) => void) => {
  const writer = new ProtobufWriter()
  write(writer)
  return [...writer.bytes()]
}

/** A varint as the specification defines it: seven bits per byte, the lowest first, the highest bit on all but the last. */
function readVarint(bytes: readonly number[], from: number): { value: bigint; next: number } {
  let value = 0n
  for (let i = from, shift = 0n; ; i++, shift += 7n) {
    value |= BigInt(bytes[i]! & 0x7f) << shift
    if (bytes[i]! < 0x80) return { value: BigInt.asIntN(64, value), next: i + 1 }
  }
}

describe('ProtobufWriter', () => {
  it('writes the examples of the encoding guide', () => {
    expect(written((w) => w.int(1, 150))).toEqual([0x08, 0x96, 0x01])
    expect(written((w) => w.string(2, 'testing'))).toEqual([0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67])
    expect(written((w) => w.message(3, (inner) => inner.int(1, 150)))).toEqual([0x1a, 0x03, 0x08, 0x96, 0x01])
    expect(written((w) => w.float(2, 1))).toEqual([0x15, 0x00, 0x00, 0x80, 0x3f])
  })

  it('writes negative numbers as ten bytes of two-complement', () => {
    const ones = new Array(9).fill(0xff)
    expect(written((w) => w.int(1, -1))).toEqual([0x08, ...ones, 0x01])
    expect(written((w) => w.int(1, -2))).toEqual([0x08, 0xfe, ...ones.slice(1), 0x01])
  })

  it('keeps every 64-bit integer, given as a number or a bigint, under any field number', () => {
    const edges = [
      0,
      1,
      127,
      128,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 32 - 1,
      2 ** 32,
      2 ** 53 - 1,
      -1,
      -(2 ** 31),
      -(2 ** 53) + 1,
    ]
    const integers = fc.oneof(
      fc.constantFrom(...edges.map(BigInt)),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    )
    fc.assert(
      fc.property(integers, fc.integer({ min: 1, max: 5000 }), (value, field) => {
        const isExact = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
        for (const form of isExact ? [value, Number(value)] : [value]) {
          const bytes = written((w) => w.int(field, form))
          const tag = readVarint(bytes, 0)
          expect(tag.value).toBe(BigInt(field * 8))
          expect(readVarint(bytes, tag.next)).toEqual({ value, next: bytes.length })
        }
      }),
    )
  })

  it('grows for large contents and writes their length', () => {
    const large = Uint8Array.from({ length: 70_000 }, (_, i) => i % 251)
    const bytes = written((w) => {
      w.message(1, (inner) => inner.raw(9, large))
      w.int(2, 7)
    })
    expect(bytes.slice(0, 8)).toEqual([0x0a, 0xf4, 0xa2, 0x04, 0x4a, 0xf0, 0xa2, 0x04])
    expect(bytes.slice(8, 8 + large.length)).toEqual([...large])
    expect(bytes.slice(8 + large.length)).toEqual([0x10, 0x07])
  })

  it('refuses a fraction', () => {
    expect(() => written((w) => w.int(1, 1.5))).toThrow(RangeError)
  })
})
