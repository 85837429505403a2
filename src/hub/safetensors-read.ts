import { DiopterError } from '../errors/index.ts'
import { decodeTensor, type TensorData } from './decode.ts'
import { parseHeaderLength, parseSafetensorsHeader } from './safetensors.ts'
import type { TensorToWrite } from './safetensors-write.ts'

/** What a safetensors file in memory holds. */
export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, TensorToWrite>
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Reads a whole safetensors file that lies in memory; the arrays are copies.
 * @param name of the file, for messages. @throws DiopterError when it is cut off or malformed.
 */
export function readSafetensors(bytes: Uint8Array, name: string): SafetensorsFile {
  const headerEnd = 8 + parseHeaderLength(bytes.subarray(0, 8), bytes.length, name)
  if (headerEnd > bytes.length) throw new DiopterError(`${name} ends inside its header.`)
  const { entries, metadata } = parseSafetensorsHeader(bytes.subarray(8, headerEnd), bytes.length, name)
  const tensors = [...entries.values()].map(({ name: tensor, dtype, shape, begin, end }) => {
    const data: TensorData = decodeTensor(bytes.slice(begin, end), dtype, 'native')
    return [tensor, { dtype, shape, data }] as const
  })
  return { tensors: new Map(tensors), metadata }
}
