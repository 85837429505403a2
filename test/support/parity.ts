import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of reference files beside the repository, or null in a clone without it. */
export const shared: string | null = (() => {
  const path = fileURLToPath(new URL('../../../shared', import.meta.url))
  return existsSync(`${path}/reference`) ? path : null
})()

export const huggingfaceModels: readonly string[] = shared ? readdirSync(`${shared}/reference/huggingface`).sort() : []
export const transformerLensModels: readonly string[] = shared
  ? readdirSync(`${shared}/reference/transformerlens`).sort()
  : []

export interface ReferenceArray {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Reads a reference safetensors file (F32 and I64 only) without the library's own reader. */
export function readReference(path: string): Map<string, ReferenceArray> {
  const bytes = readFileSync(path)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const result = new Map<string, ReferenceArray>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const part = bytes.subarray(8 + length + data_offsets[0], 8 + length + data_offsets[1])
    const copy = part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength)
    if (dtype !== 'F32' && dtype !== 'I64') throw new Error(`${path}: ${name} is ${dtype}`)
    result.set(name, {
      shape,
      data: dtype === 'F32' ? new Float32Array(copy) : Float32Array.from(new BigInt64Array(copy), Number),
    })
  }
  return result
}

/** The largest |a - b|, infinities of one sign agreeing; NaN or different lengths are infinitely far apart. */
export function maxDifference(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let worst = 0
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])]
    const difference = x === y ? 0 : Math.abs(x - y)
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return worst
}
