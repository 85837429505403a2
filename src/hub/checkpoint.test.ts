import { mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCheckpoint } from './checkpoint.ts'
import { openFolder } from './node/folder.ts'
import { writeSafetensors } from './safetensors-write.ts'
import { memorySource } from './source.ts'

const config = '{"model_type":"gpt2"}'
const tensor = (...values: number[]) => ({
  dtype: 'F32' as const,
  shape: [values.length],
  data: Float32Array.of(...values),
})
const index = (weight_map: unknown) => JSON.stringify({ weight_map })

describe('openCheckpoint', () => {
  test('a single file: entries, sizes, float32 and native reads', async () => {
    const file = writeSafetensors(
      { a: tensor(1, 2), half: { dtype: 'F16', shape: [3], data: Uint16Array.of(0x3c00, 0xc000, 0) } },
      { format: 'pt' },
    )
    const source = memorySource(
      { 'config.json': config, 'model.safetensors': file, 'tokenizer.json': '{}' },
      'm',
      'abc',
    )
    const checkpoint = await openCheckpoint(source)
    expect(checkpoint).toMatchObject({
      revision: 'abc',
      config: { model_type: 'gpt2' },
      elements: 5,
      totalBytes: 14,
      float32Bytes: 20,
      hasTokenizer: true,
      metadata: { format: 'pt' },
    })
    expect(checkpoint.entries.get('a')?.file).toBe('model.safetensors')
    expect(await checkpoint.readFloat32('half')).toEqual(Float32Array.of(1, -2, 0))
    expect(await checkpoint.read('half')).toEqual({ dtype: 'F16', shape: [3], data: Uint16Array.of(0x3c00, 0xc000, 0) })
    const into = new Float32Array(2)
    expect(await checkpoint.readFloat32('a', into)).toBe(into)
    expect(into).toEqual(Float32Array.of(1, 2))
    await expect(checkpoint.readFloat32('a', new Float32Array(3))).rejects.toThrow('has shape [2]')
    await expect(checkpoint.read('b')).rejects.toThrow('no tensor "b". Closest: a, half')
    await expect(checkpoint.readFloat32('a', into, { signal: AbortSignal.abort() })).rejects.toThrow('abort')
  })

  test('shards', async () => {
    const checkpoint = await openCheckpoint(
      memorySource({
        'config.json': config,
        'model.safetensors.index.json': index({ a: 'x-1.safetensors', b: 'x-2.safetensors' }),
        'x-1.safetensors': writeSafetensors({ a: tensor(1) }),
        'x-2.safetensors': writeSafetensors({ b: tensor(2) }),
      }),
    )
    expect(await checkpoint.readFloat32('b')).toEqual(Float32Array.of(2))
    expect(checkpoint.revision).toBe(null)
  })

  const shard = writeSafetensors({ a: tensor(1) })
  test.each<[string, Record<string, Uint8Array | string>, string]>([
    ['no config', { 'model.safetensors': shard }, 'memory has no file config.json. It has model.safetensors.'],
    ['bad config', { 'config.json': '[' }, 'config.json is not valid JSON'],
    ['config not an object', { 'config.json': '3' }, 'config.json must hold a JSON object'],
    ['no weights', { 'config.json': config }, 'no weights'],
    ['pickles', { 'config.json': config, 'pytorch_model.bin': 'x' }, 'can run any code'],
    [
      'a shard without index',
      { 'config.json': config, 'model-00001-of-00002.safetensors': shard },
      'It has model-00001',
    ],
    ['no weight_map', { 'config.json': config, 'model.safetensors.index.json': '{}' }, 'no "weight_map"'],
    ['empty weight_map', { 'config.json': config, 'model.safetensors.index.json': index({}) }, 'lists no tensors'],
    ...['../a.safetensors', '/a.safetensors', 'x/../../a.safetensors', 'C:\\a.safetensors', 'a.bin', 7].map(
      (path): [string, Record<string, string>, string] => [
        `shard path ${path}`,
        { 'config.json': config, 'model.safetensors.index.json': index({ a: path }) },
        'inside the same folder',
      ],
    ),
    [
      'missing shards',
      {
        'config.json': config,
        'model.safetensors.index.json': index({ a: 's.safetensors', b: 't.safetensors' }),
        's.safetensors': shard,
      },
      '1 of 2 shards are missing: t.safetensors',
    ],
    [
      'a tensor that no shard has',
      { 'config.json': config, 'model.safetensors.index.json': index({ b: 's.safetensors' }), 's.safetensors': shard },
      'puts "b" in s.safetensors, but no shard has it',
    ],
    [
      'a tensor in another shard',
      {
        'config.json': config,
        'model.safetensors.index.json': index({ a: 't.safetensors', b: 's.safetensors' }),
        's.safetensors': shard,
        't.safetensors': writeSafetensors({ b: tensor(1) }),
      },
      'but it is in s.safetensors (and 1 more like it)',
    ],
    [
      'a tensor in two shards',
      {
        'config.json': config,
        'model.safetensors.index.json': index({ a: 's.safetensors', b: 't.safetensors' }),
        's.safetensors': shard,
        't.safetensors': writeSafetensors({ a: tensor(1), b: tensor(1) }),
      },
      '"a" is in both s.safetensors and t.safetensors',
    ],
  ])('refuses: %s', async (_, files, message) => {
    await expect(openCheckpoint(memorySource(files))).rejects.toThrow(message)
  })
})

describe('a folder on disk', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diopter-checkpoint-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('a sparse file beyond 2 GiB is read by range', async () => {
    const bigBytes = 2 ** 31 + 4096
    const header = new TextEncoder().encode(
      JSON.stringify({
        big: { dtype: 'U8', shape: [bigBytes], data_offsets: [0, bigBytes] },
        last: { dtype: 'BF16', shape: [2], data_offsets: [bigBytes, bigBytes + 4] },
      }),
    )
    const length = new Uint8Array(8)
    new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true)
    const handle = await open(join(folder, 'model.safetensors'), 'w')
    await handle.write(length, 0, 8, 0)
    await handle.write(header, 0, header.length, 8)
    const end = 8 + header.length + bigBytes
    await handle.write(Uint8Array.of(0x80, 0x3f, 0, 0xc0), 0, 4, end)
    await handle.close()
    await writeFile(join(folder, 'config.json'), config)
    const checkpoint = await openCheckpoint(await openFolder(folder))
    expect(checkpoint.totalBytes).toBe(bigBytes + 4)
    expect(await checkpoint.readFloat32('last')).toEqual(Float32Array.of(1, -2))
  })

  test('tensors larger than a chunk convert exactly', async () => {
    const count = 9_000_001 // 18 MB of float16, in chunks of 16 MiB
    const data = Uint16Array.from({ length: count }, (_, i) => 0x3c00 + (i % 512))
    const source = memorySource({
      'config.json': config,
      'model.safetensors': writeSafetensors({ w: { dtype: 'F16', shape: [count], data } }),
    })
    const values = await (await openCheckpoint(source)).readFloat32('w')
    expect(values.every((value, i) => value === 1 + (i % 512) / 1024)).toBe(true)
  })

  test('symbolic links resolve, ranges are checked, missing files list what there is', async () => {
    await symlink('config.json', join(folder, 'link.json'))
    const source = await openFolder(folder)
    expect(source.localPath!('link.json')).toMatch(/config\.json$/)
    expect(await source.readText('link.json')).toBe(config)
    await expect(source.readRange('config.json', 0, 1000)).rejects.toThrow('bytes 0 to 1000')
    await expect(source.readText('confg.json')).rejects.toThrow('It has config.json')
    await expect(source.readRange('../secret', 0, 1)).rejects.toThrow('has no file ../secret')
    await expect(openFolder(join(folder, 'config.json'))).rejects.toThrow('is not a folder')
  })
})
