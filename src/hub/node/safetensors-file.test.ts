import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCheckpoint } from '../checkpoint.ts'
import { writeSafetensors } from '../safetensors-write.ts'
import { openFolder } from './folder.ts'
import { writeSafetensorsFile } from './safetensors-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diopter-write-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('the file is byte for byte what the writer in memory gives, and opens', async () => {
  const tensors = {
    a: { dtype: 'F32' as const, shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    b: { dtype: 'I64' as const, shape: [], data: BigInt64Array.of(-1n) },
  }
  const path = join(folder, 'model.safetensors')
  const deferred = Object.entries(tensors).map(([name, { data, ...rest }]) => ({
    name,
    ...rest,
    data: async () => data,
  }))
  await writeSafetensorsFile(path, deferred, { format: 'pt' })
  expect(new Uint8Array(await readFile(path))).toEqual(writeSafetensors(tensors, { format: 'pt' }))
  await writeFile(join(folder, 'config.json'), '{}')
  const checkpoint = await openCheckpoint(await openFolder(folder))
  expect(await checkpoint.readFloat32('a')).toEqual(Float32Array.of(1, 2, 3, 4))
  const wrong = { name: 'a', dtype: 'F32' as const, shape: [3], data: () => new Float32Array(2) }
  await expect(writeSafetensorsFile(join(folder, 'x.safetensors'), [wrong])).rejects.toThrow('needs 12 bytes')
})
