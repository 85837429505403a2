import { DiopterError } from '../errors/index.ts'

/** The element types of a tensor. */
export type DType = 'float32' | 'float64' | 'float16' | 'int32' | 'int64' | 'bool'

/** What holds a tensor's elements in JavaScript: float16 as raw bits in a Uint16Array, bool as 0 or 1 in a Uint8Array. */
export type TypedArray = Float32Array | Float64Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array

const BYTES: Record<DType, number> = { float32: 4, float64: 8, float16: 2, int32: 4, int64: 8, bool: 1 }

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  return BYTES[dtype]
}

export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'float16'
}

/** A new zeroed array for `size` elements of `dtype`. */
export function allocate(dtype: DType, size: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(size)
    case 'float64':
      return new Float64Array(size)
    case 'float16':
      return new Uint16Array(size)
    case 'int32':
      return new Int32Array(size)
    case 'int64':
      return new BigInt64Array(size)
    case 'bool':
      return new Uint8Array(size)
  }
}

/** The array that ONNX Runtime and Diopter use for `dtype`, filled from plain numbers. */
export function typedArrayFrom(dtype: DType, values: ArrayLike<number | bigint | boolean>): TypedArray {
  const array = allocate(dtype, values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (array instanceof BigInt64Array) array[i] = BigInt(value)
    else if (dtype === 'float16') array[i] = toHalfBits(Number(value))
    else array[i] = Number(value)
  }
  return array
}

/** The dtype that a typed array stands for; a Uint16Array is float16 bits and a Uint8Array is bool. */
export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return 'float32'
  if (array instanceof Float64Array) return 'float64'
  if (array instanceof Uint16Array) return 'float16'
  if (array instanceof Int32Array) return 'int32'
  if (array instanceof BigInt64Array) return 'int64'
  if (array instanceof Uint8Array) return 'bool'
  throw new DiopterError(
    `No tensor dtype for ${Object.prototype.toString.call(array)}: use a Float32Array, Float64Array, Uint16Array (float16 bits), Int32Array, BigInt64Array or Uint8Array (bool).`,
  )
}

const scratch = new DataView(new ArrayBuffer(4))

/** The IEEE half-precision bits nearest to `value` (ties to even). */
export function toHalfBits(value: number): number {
  scratch.setFloat32(0, value)
  const bits = scratch.getUint32(0)
  const sign = (bits >>> 16) & 0x8000
  const exponent = (bits >>> 23) & 0xff
  const mantissa = bits & 0x7fffff
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0)
  const unbiased = exponent - 127
  if (unbiased > 15) return sign | 0x7c00
  if (unbiased < -25) return sign
  // Subnormal halves lose one more bit of the mantissa for every step below 2^-14.
  const shift = unbiased < -14 ? 13 + (-14 - unbiased) : 13
  const significand = unbiased < -14 ? mantissa | 0x800000 : mantissa
  const base = unbiased < -14 ? 0 : (unbiased + 15) << 10
  const kept = significand >>> shift
  const rest = significand & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  const roundUp = rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0
  return sign | (base + kept + roundUp)
}

/** The number that half-precision `bits` stand for. */
export function fromHalfBits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const mantissa = bits & 0x3ff
  if (exponent === 0x1f) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY
  if (exponent === 0) return sign * mantissa * 2 ** -24
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
}
