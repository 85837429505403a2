import { DiopterError } from '../errors/index.ts'
import { bytesPerElement, type SafetensorsDtype } from './safetensors.ts'

/** The arrays that tensor data comes in. F16 and BF16 come as their raw bits, BOOL as 0 and 1. */
export type TensorData =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array

/**
 * Decodes the bytes of one tensor; float32 data that is aligned in memory is not copied.
 * @param bytes the tensor's little-endian bytes.
 * @param as `float32` converts every dtype to float32; `native` keeps it (F16 and BF16 as raw 16-bit patterns).
 * @returns a typed array with one element per tensor element.
 * @throws DiopterError when the byte count does not divide.
 */
export function decodeTensor(bytes: Uint8Array, dtype: SafetensorsDtype, as: 'float32'): Float32Array
export function decodeTensor(bytes: Uint8Array, dtype: SafetensorsDtype, as: 'native' | 'float32'): TensorData
export function decodeTensor(bytes: Uint8Array, dtype: SafetensorsDtype, as: 'native' | 'float32'): TensorData {
  const size = bytesPerElement[dtype]
  if (bytes.length % size !== 0) {
    throw new DiopterError(`${bytes.length} bytes do not divide into elements of ${dtype} (${size} bytes each).`)
  }
  if (as === 'native' || dtype === 'F32') return nativeView(bytes, dtype)
  const values = new Float32Array(bytes.length / size)
  decodeInto(bytes, dtype, values)
  return values
}

/** Converts `bytes` of `dtype` to float32 into `target`, which holds exactly that many elements. */
export function decodeInto(bytes: Uint8Array, dtype: SafetensorsDtype, target: Float32Array): void {
  const source = nativeView(bytes, dtype)
  if (dtype === 'F16') halfToFloat(source as Uint16Array, target)
  else if (dtype === 'BF16') brainToFloat(source as Uint16Array, target)
  else if (source instanceof BigInt64Array) for (let i = 0; i < source.length; i++) target[i] = Number(source[i])
  else target.set(source)
}

function nativeView(bytes: Uint8Array, dtype: SafetensorsDtype): TensorData {
  const size = bytesPerElement[dtype]
  // A typed array needs an aligned offset; tensors may start anywhere in a file.
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice()
  const length = bytes.length / size
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer, byteOffset, length)
    case 'F32':
      return new Float32Array(buffer, byteOffset, length)
    case 'F16':
    case 'BF16':
      return new Uint16Array(buffer, byteOffset, length)
    case 'I64':
      return new BigInt64Array(buffer, byteOffset, length)
    case 'I32':
      return new Int32Array(buffer, byteOffset, length)
    case 'I16':
      return new Int16Array(buffer, byteOffset, length)
    case 'I8':
      return new Int8Array(buffer, byteOffset, length)
    case 'U8':
    case 'BOOL':
      return new Uint8Array(buffer, byteOffset, length)
  }
}

/** bfloat16 is the upper half of a float32. */
function brainToFloat(source: Uint16Array, target: Float32Array): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length)
  for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16
}

function halfToFloat(source: Uint16Array, target: Float32Array): void {
  const table = (halfTable ??= buildHalfTable())
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length)
  for (let i = 0; i < source.length; i++) bits[i] = table[source[i]!]!
}

/** The float32 bits of all 65,536 half-precision patterns: a look-up beats bit arithmetic, and NaN payloads survive. */
let halfTable: Uint32Array | undefined

function buildHalfTable(): Uint32Array {
  const table = new Uint32Array(65536)
  const scratch = new Float32Array(1)
  const scratchBits = new Uint32Array(scratch.buffer)
  for (let half = 0; half < 65536; half++) {
    const sign = (half & 0x8000) << 16
    const exponent = (half >> 10) & 0x1f
    const fraction = half & 0x3ff
    if (exponent === 0) {
      scratch[0] = fraction * 2 ** -24 // zero and subnormal
      table[half] = sign | scratchBits[0]!
    } else if (exponent === 31) {
      table[half] = sign | 0x7f800000 | (fraction << 13) // infinity and NaN
    } else {
      table[half] = sign | ((exponent + 112) << 23) | (fraction << 13) // bias 15 -> 127
    }
  }
  return table
}
