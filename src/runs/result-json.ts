import { type DType, type TypedArray, typedArrayFrom } from '../tensor/index.ts'

/** JSON text in which every typed array is a list; numbers that JSON lacks are `"NaN"`, `"Infinity"`, `"-Infinity"`. */
export function toJsonText(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) => {
    if (!ArrayBuffer.isView(entry)) return typeof entry === 'bigint' ? Number(entry) : entry
    return Array.from(entry as Exclude<TypedArray, BigInt64Array>, (x) => {
      const number = Number(x)
      return Number.isFinite(number) ? number : String(number)
    })
  })
}

/** Parsed JSON with typed arrays where `{ dtype, data }` says so. */
export function withTypedArrays(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withTypedArrays)
  if (typeof value !== 'object' || value === null) return value
  const { dtype, data } = value as { dtype?: unknown; data?: unknown }
  if (typeof dtype === 'string' && Array.isArray(data)) {
    const numbers = data.map(Number)
    return { ...value, data: typedArrayFrom(dtype as DType, dtype === 'int64' ? numbers.map(BigInt) : numbers) }
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withTypedArrays(entry)]))
}
