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

/** Whether elements are floating-point numbers. */
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

/** The array that ONNX Runtime and Diopter use for `dtype`, filled from plain numbers. Throws for a fraction in an integer dtype. */
export function typedArrayFrom(dtype: DType, values: ArrayLike<number | bigint | boolean>): TypedArray {
  const array = allocate(dtype, values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if ((dtype === 'int32' || dtype === 'int64') && !Number.isInteger(Number(value)))
      throw new DiopterError(`${value} is not an ${dtype}; cast the tensor to a float dtype first.`)
    if (array instanceof BigInt64Array) array[i] = BigInt(value)
    else if (dtype === 'float16') array[i] = toHalfBits(Number(value))
    else array[i] = dtype === 'bool' ? Number(Boolean(value)) : Number(value)
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

const scratch = new DataView(new ArrayBuffer(8))

/** The IEEE half-precision bits nearest to `value` (ties to even). */
export function toHalfBits(value: number): number {
  scratch.setFloat64(0, value)
  const high = scratch.getUint32(0)
  const sign = (high >>> 16) & 0x8000
  if (Number.isNaN(value)) return sign | 0x7e00
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, -14) // at -14 the subnormal halves begin
  if (exponent > 15) return sign | 0x7c00
  // A double near 2^52 holds only integers: adding and taking away 2^52 rounds, ties to even.
  const significand = Math.abs(value) * 2 ** (10 - exponent) + 2 ** 52 - 2 ** 52
  return sign | ((exponent + 14) * 1024 + significand) // a significand of 2048 carries into the exponent, up to infinity
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
