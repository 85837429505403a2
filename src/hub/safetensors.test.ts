import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DiopterError } from '../errors/index.ts'
import { decodeTensor, type TensorData } from './decode.ts'
import {
  bytesPerElement,
  parseHeaderLength,
  parseSafetensorsHeader,
  type SafetensorsDtype,
  type SafetensorsHeader,
} from './safetensors.ts'
import { safetensorsHeader, writeSafetensors } from './safetensors-write.ts'

function parse(file: Uint8Array): SafetensorsHeader {
  const length = parseHeaderLength(file.subarray(0, 8), file.length, 'f.safetensors')
  return parseSafetensorsHeader(file.subarray(8, 8 + length), file.length, 'f.safetensors')
}

/** A file whose header is exactly `header`, followed by `dataBytes` zeros. */
function fileOf(header: unknown, dataBytes = 0, claimedLength?: bigint): Uint8Array {
  const json =
    header instanceof Uint8Array
      ? header
      : new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const file = new Uint8Array(8 + json.length + dataBytes)
  new DataView(file.buffer).setBigUint64(0, claimedLength ?? BigInt(json.length), true)
  file.set(json, 8)
  return file
}

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
})

describe('round trips', () => {
  const arrays: Record<SafetensorsDtype, TensorData> = {
    F64: Float64Array.of(-0, Math.PI, Infinity, 1e-310),
    F32: Float32Array.of(1.5, -2, NaN, 3e38),
    F16: Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00),
    BF16: Uint16Array.of(0x3f80, 0xc000, 0x0001, 0x7f80),
    I64: BigInt64Array.of(-1n, 2n ** 62n, 0n, 7n),
    I32: Int32Array.of(-5, 2 ** 30, 0, 1),
    I16: Int16Array.of(-300, 300, 0, 1),
    I8: Int8Array.of(-128, 127, 0, 1),
    U8: Uint8Array.of(0, 255, 1, 2),
    BOOL: Uint8Array.of(0, 1, 1, 0),
  }
  test.each(Object.entries(arrays) as [SafetensorsDtype, TensorData][])('%s', (dtype, data) => {
    // A leading odd-sized tensor makes the second one unaligned in the file.
    const file = writeSafetensors({
      odd: { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) },
      tensor: { dtype, shape: [2, 2], data },
    })
    const { entries } = parse(file)
    const { begin, end, shape } = entries.get('tensor')!
    expect(shape).toEqual([2, 2])
    const decoded = decodeTensor(file.subarray(begin, end), dtype, 'native')
    expect(decoded.constructor).toBe(data.constructor)
    expect(decoded).toEqual(data)
  })

  test('metadata, empty tensors, scalars and the header padded to 8 bytes', () => {
    const file = writeSafetensors(
      new Map([
        ['scalar', { dtype: 'F32' as const, shape: [], data: Float32Array.of(4) }],
        ['empty', { dtype: 'F32' as const, shape: [0, 7], data: new Float32Array(0) }],
      ]),
      { format: 'pt', 'ключ "1"': 'ß' },
    )
    const { entries, metadata } = parse(file)
    expect(metadata).toEqual({ format: 'pt', 'ключ "1"': 'ß' })
    expect(entries.get('scalar')).toMatchObject({ shape: [], end: file.length })
    expect(entries.get('empty')!.end - entries.get('empty')!.begin).toBe(0)
    expect(entries.get('scalar')!.begin % 8).toBe(0)
  })

  test('any set of tensors comes back', () => {
    const tensor = fc
      .record({
        dtype: fc.constantFrom(...(Object.keys(bytesPerElement) as SafetensorsDtype[])),
        shape: fc.array(fc.nat(4), { maxLength: 3 }),
      })
      .chain(({ dtype, shape }) => {
        const length = shape.reduce((a, b) => a * b, 1) * bytesPerElement[dtype]
        return fc
          .uint8Array({ minLength: length, maxLength: length })
          .map((bytes) => ({ dtype, shape, data: decodeTensor(bytes, dtype, 'native'), bytes }))
      })
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), tensor), (tensors) => {
        fc.pre(!Object.hasOwn(tensors, '__metadata__'))
        const file = writeSafetensors(tensors)
        const { entries } = parse(file)
        expect(entries.size).toBe(Object.keys(tensors).length)
        for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
          const entry = entries.get(name)!
          expect([entry.dtype, entry.shape]).toEqual([dtype, shape])
          expect(file.slice(entry.begin, entry.end)).toEqual(bytes)
        }
      }),
      { numRuns: 100 },
    )
  })

  test('the writer refuses data that do not fit, and names used twice', () => {
    const data = new Float32Array(3)
    expect(() => writeSafetensors({ a: { dtype: 'F32', shape: [2], data } })).toThrow('needs 8 bytes')
    expect(() => writeSafetensors({ a: { dtype: 'F16', shape: [6], data } })).toThrow('elements of 2')
    const twice = { name: 'a', dtype: 'F32' as const, shape: [1] }
    expect(() => safetensorsHeader([twice, twice])).toThrow('two tensors named "a"')
  })
})

describe('conversion to float32', () => {
  test('every F16 pattern against the definition', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const values = decodeTensor(new Uint8Array(all.buffer), 'F16', 'float32')
    for (let i = 0; i < 65536; i++) {
      const exponent = (i >> 10) & 31
      const fraction = i & 1023
      const magnitude =
        exponent === 31
          ? fraction
            ? NaN
            : Infinity
          : exponent
            ? 2 ** (exponent - 15) * (1 + fraction / 1024)
            : fraction * 2 ** -24
      expect(Object.is(values[i], i & 0x8000 ? -magnitude : magnitude)).toBe(true)
    }
  })

  test('BF16, F64, I64 and BOOL', () => {
    const bytes = (array: TensorData) => new Uint8Array(array.buffer)
    expect(decodeTensor(bytes(Uint16Array.of(0x4049, 0xbf80)), 'BF16', 'float32')).toEqual(
      Float32Array.of(3.140625, -1),
    )
    expect(decodeTensor(bytes(Float64Array.of(0.1)), 'F64', 'float32')).toEqual(Float32Array.of(0.1))
    expect(decodeTensor(bytes(BigInt64Array.of(-3n)), 'I64', 'float32')).toEqual(Float32Array.of(-3))
    expect(decodeTensor(Uint8Array.of(0, 1), 'BOOL', 'float32')).toEqual(Float32Array.of(0, 1))
  })

  test('aligned float32 is not copied', () => {
    const data = Float32Array.of(1, 2)
    expect(decodeTensor(new Uint8Array(data.buffer), 'F32', 'float32').buffer).toBe(data.buffer)
  })

  test('a byte count that does not divide', () => {
    expect(() => decodeTensor(new Uint8Array(5), 'F32', 'native')).toThrow('do not divide')
  })
})

describe('hostile files give one clear error each', () => {
  test.each<[string, Uint8Array, string]>([
    ['too short', new Uint8Array(5), 'too short'],
    ['header beyond the file', fileOf({}, 0, 50n), 'the header claims 50 bytes but the file has 10'],
    ['header over 100 MB', fileOf({}, 0, 100_000_001n), 'the format allows 100000000'],
    ['header of 2^63 bytes', fileOf({}, 0, 2n ** 63n), 'the format allows'],
    ['Git LFS pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1'), 'git lfs pull'],
    ['bad JSON', fileOf('{"a":'), 'not valid JSON'],
    ['bad UTF-8', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), 'not valid UTF-8'],
    ['not an object', fileOf('[1]'), 'not a JSON object'],
    ['duplicate names', fileOf('{"a":{"dtype":"F32"},"\\u0061" :{}}'), 'names "a" twice'],
    ['duplicate fields', fileOf('{"a":{"dtype":"F32","dtype":"F16"}}'), 'names "dtype" twice'],
    ['metadata not strings', fileOf({ __metadata__: { a: 1 } }), '__metadata__.a must be a string'],
    ['metadata not an object', fileOf({ __metadata__: 'x' }), '__metadata__ must be an object'],
    ['entry not an object', fileOf({ a: 3 }), 'not described by an object'],
    ['unknown dtype', fileOf({ a: { ...f32(0, 4), dtype: 'F8_E4M3' } }, 4), 'dtype "F8_E4M3"; known dtypes are F64'],
    ['inherited dtype', fileOf({ a: { ...f32(0, 4), dtype: 'toString' } }, 4), 'dtype "toString"'],
    ['negative shape', fileOf({ a: f32(0, 4, [-1]) }, 4), 'shape [-1]'],
    ['fractional shape', fileOf({ a: f32(0, 4, [1.5]) }, 4), 'shape [1.5]'],
    ['offsets not a pair', fileOf({ a: { ...f32(0, 4), data_offsets: [0] } }, 4), 'data_offsets [0]'],
    ['offsets reversed', fileOf({ a: { ...f32(0, 4), data_offsets: [4, 0] } }, 4), 'claims bytes 4 to 0'],
    ['offsets out of range', fileOf({ a: f32(0, 8) }, 4), 'claims bytes 0 to 8, but the file has 4'],
    ['wrong size', fileOf({ a: f32(0, 8, [3]) }, 8), 'needs 12 bytes, its offsets give 8'],
    ['a product that overflows', fileOf({ a: f32(0, 8, [2 ** 32, 2 ** 32]) }, 8), 'its offsets give 8'],
    ['overlap', fileOf({ a: f32(0, 8), b: f32(4, 12) }, 12), 'tensor "b" overlaps "a"'],
    ['hole', fileOf({ a: f32(0, 4), b: f32(8, 12) }, 12), '4 bytes between "a" and "b" are unused'],
    ['hole at the start', fileOf({ a: f32(4, 8) }, 8), '4 bytes between the header and "a" are unused'],
    ['data that belongs to nobody', fileOf({ a: f32(0, 4) }, 8), '4 bytes after "a" belong to no tensor'],
  ])('%s', (_, file, message) => {
    expect(() => parse(file)).toThrow(DiopterError)
    expect(() => parse(file)).toThrow(message)
  })

  test('fuzz: a damaged file is read or refused with a DiopterError, never anything else', () => {
    const good = writeSafetensors(
      {
        a: { dtype: 'F32', shape: [2], data: new Float32Array(2) },
        b: { dtype: 'I8', shape: [3], data: new Int8Array(3) },
      },
      { format: 'pt' },
    )
    const damage = fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255) })
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), fc.nat(good.length), (damages, keep) => {
        const file = good.slice(0, keep === 0 ? good.length : keep)
        for (const { at, byte } of damages) file[at] = byte
        expectReadOrRefused(file)
      }),
      { numRuns: 1000 },
    )
  })

  test('fuzz: any JSON as a header', () => {
    const offsets = fc.tuple(fc.integer({ min: -1, max: 20 }), fc.integer({ min: -1, max: 20 }))
    const entry = fc.record(
      {
        dtype: fc.constantFrom('F32', 'U8', 'X', 1),
        shape: fc.array(fc.integer({ min: -1, max: 5 })),
        data_offsets: offsets,
      },
      { requiredKeys: [] },
    )
    const header = fc.dictionary(fc.string(), fc.oneof(entry, fc.jsonValue()))
    fc.assert(
      fc.property(header, fc.nat(20), (value, dataBytes) => expectReadOrRefused(fileOf(value, dataBytes))),
      { numRuns: 500 },
    )
  })
})

function expectReadOrRefused(file: Uint8Array): void {
  try {
    for (const { begin, end } of parse(file).entries.values()) {
      expect(begin).toBeLessThanOrEqual(end)
      expect(end).toBeLessThanOrEqual(file.length)
    }
  } catch (error) {
    expect(error).toBeInstanceOf(DiopterError)
  }
}
