import { allocate, type DType, type TypedArray, typedArrayFrom } from '../tensor/index.ts'

/** How JSON holds a typed array: as a list that people can read, or as its bytes, little-endian, in `{ base64 }`. */
export type ArrayForm = 'list' | 'base64'

/** JSON text of data with typed arrays; numbers in lists that JSON lacks are `"NaN"`, `"Infinity"`, `"-Infinity"`. */
export function toJsonText(value: unknown, arrays: ArrayForm = 'list'): string {
  return JSON.stringify(value, (_, entry: unknown) => {
    if (!ArrayBuffer.isView(entry)) return typeof entry === 'bigint' ? Number(entry) : entry
    if (arrays === 'base64') return { base64: toBase64(entry) }
    return Array.from(entry as Exclude<TypedArray, BigInt64Array>, (x) => {
      const number = Number(x)
      return Number.isFinite(number) ? number : String(number)
    })
  })
}

/** Parsed JSON with typed arrays where `{ dtype, data }` says so, in either form. */
export function withTypedArrays(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withTypedArrays)
  if (typeof value !== 'object' || value === null) return value
  const { dtype, data } = value as { dtype?: unknown; data?: unknown }
  if (typeof dtype === 'string' && isBase64(data)) return { ...value, data: fromBase64(dtype as DType, data.base64) }
  if (typeof dtype === 'string' && Array.isArray(data)) {
    const numbers = data.map(Number)
    return { ...value, data: typedArrayFrom(dtype as DType, dtype === 'int64' ? numbers.map(BigInt) : numbers) }
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withTypedArrays(entry)]))
}

const isBase64 = (data: unknown): data is { readonly base64: string } =>
  typeof data === 'object' && data !== null && typeof (data as { base64?: unknown }).base64 === 'string'

/** Bytes that become characters at a time: a multiple of three, so that the parts' texts follow each other. */
const PART = 3 * 8192

function toBase64({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength)
  const parts: string[] = []
  for (let at = 0; at < byteLength; at += PART) parts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PART))))
  return parts.join('')
}

function fromBase64(dtype: DType, base64: string): TypedArray {
  const characters = atob(base64)
  const array = allocate(dtype, characters.length / allocate(dtype, 1).byteLength)
  const bytes = new Uint8Array(array.buffer)
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i)
  return array
}
