import { open } from 'node:fs/promises'
import { DiopterError } from '../../errors/index.ts'
import type { TensorData } from '../decode.ts'
import { safetensorsHeader, type TensorDescription, tensorBytes } from '../safetensors-write.ts'

/** A tensor to write, whose data are made when their turn comes. */
export interface DeferredTensor extends TensorDescription {
  data(): TensorData | Promise<TensorData>
}

/**
 * Writes a safetensors file tensor by tensor, so that only one tensor's data need be in memory.
 * @throws DiopterError when data do not fit dtype and shape, or a name is used twice; the unfinished file is then useless.
 */
export async function writeSafetensorsFile(
  path: string,
  tensors: readonly DeferredTensor[],
  metadata?: Record<string, string>,
): Promise<void> {
  const header = safetensorsHeader(tensors, metadata)
  const file = await open(path, 'w')
  try {
    await file.writeFile(header)
    for (const tensor of tensors) {
      const bytes = tensorBytes(tensor.name, { ...tensor, data: await tensor.data() })
      // One call writes at most 2 GiB.
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, 2 ** 30))
        if (bytesWritten === 0) throw new DiopterError(`${path} cannot be written further.`)
        done += bytesWritten
      }
    }
  } finally {
    await file.close()
  }
}
