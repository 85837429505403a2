import { DiopterError } from '../errors/index.ts'
import type { TensorData } from './decode.ts'
import { bytesPerElement, elementCount, type SafetensorsDtype } from './safetensors.ts'

/** A tensor to write: F16 and BF16 data are raw 16-bit patterns. */
export interface TensorToWrite {
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
  readonly data: TensorData
}

/** Name, dtype and shape of a tensor, without its data. */
export interface TensorDescription {
  readonly name: string
  readonly dtype: SafetensorsDtype
  readonly shape: readonly number[]
}

/**
 * Writes the opening of a safetensors file: eight length bytes and the JSON header, padded with spaces to a multiple of 8.
 * @param tensors in the order in which their data will follow.
 * @throws DiopterError on duplicate or reserved names.
 */
export function safetensorsHeader(tensors: Iterable<TensorDescription>, metadata?: Record<string, string>): Uint8Array {
  const parts = metadata ? [`"__metadata__":${JSON.stringify(metadata)}`] : []
  const names = new Set(['__metadata__'])
  let offset = 0
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name)) throw new DiopterError(`A safetensors file cannot hold two tensors named "${name}".`)
    names.add(name)
    const end = offset + elementCount(shape) * bytesPerElement[dtype]
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`)
    offset = end
  }
  const json = new TextEncoder().encode(`{${parts.join(',')}}`)
  const padded = Math.ceil(json.length / 8) * 8
  const header = new Uint8Array(8 + padded).fill(0x20)
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true)
  header.set(json, 8)
  return header
}

/** The bytes of a tensor's data. @throws DiopterError when they do not fit its dtype and shape. */
export function tensorBytes(name: string, { dtype, shape, data }: TensorToWrite): Uint8Array {
  const expected = elementCount(shape) * bytesPerElement[dtype]
  if (data.byteLength !== expected || data.BYTES_PER_ELEMENT !== bytesPerElement[dtype]) {
    throw new DiopterError(
      `Tensor "${name}": ${dtype} of shape [${shape}] needs ${expected} bytes in elements of ${bytesPerElement[dtype]}; ` +
        `got ${data.byteLength} bytes in elements of ${data.BYTES_PER_ELEMENT} (${data.constructor.name}).`,
    )
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/**
 * Writes a safetensors file into memory.
 * @returns the file's bytes; the tensors' data lie in the order given.
 * @throws DiopterError when data do not fit dtype and shape, or a name is used twice.
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, TensorToWrite> | Readonly<Record<string, TensorToWrite>>,
  metadata?: Record<string, string>,
): Uint8Array {
  const list = tensors instanceof Map ? [...tensors] : Object.entries(tensors)
  const header = safetensorsHeader(
    list.map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    metadata,
  )
  const chunks = [header, ...list.map(([name, tensor]) => tensorBytes(name, tensor))]
  const file = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    file.set(chunk, offset)
    offset += chunk.length
  }
  return file
}
