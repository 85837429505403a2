import { createNodeBackend, openModel, type Progress } from 'diopter'
import { describe, expect, it, vi } from 'vitest'
import { writeSafetensors } from '../../src/hub/safetensors-write.ts'
import { memorySource } from '../../src/hub/source.ts'
import { disagreement } from '../support/families.ts'
import { type LlamaSizes, llamaFiles } from '../support/llama-checkpoint.ts'

const sizes: LlamaSizes = { d_model: 16, d_mlp: 24, n_layers: 2, vocabulary: 11 }
const backend = () => createNodeBackend({ threads: 1 })
const prompt = [1, 5, 2, 8, 10, 3]

async function logitsOf(files: Record<string, Uint8Array | string>, options: object = {}) {
  const model = await openModel(memorySource(files), backend(), options)
  const { logits, provenance } = await model.run(prompt, { positions: 'all' })
  await model.dispose()
  return { logits: logits!.data as Float32Array, provenance }
}

describe('opening a checkpoint', () => {
  it('float16, bfloat16 and shards give the same numbers as float32', async () => {
    const { logits } = await logitsOf(llamaFiles(sizes))
    expect(Math.max(...logits)).toBeGreaterThan(0.1)
    expect((await logitsOf(llamaFiles(sizes, 'F16'))).logits).toEqual(logits)
    expect((await logitsOf(llamaFiles(sizes, 'BF16', 3))).logits).toEqual(logits)
    expect((await logitsOf(llamaFiles(sizes, 'F32', 2))).logits).toEqual(logits)
  })

  it('a model leaves a backend that others use, without its weights', async () => {
    const shared = backend()
    const [first, second] = [
      await openModel(memorySource(llamaFiles(sizes)), shared),
      await openModel(memorySource(llamaFiles(sizes)), shared),
    ]
    const before = await second.run(prompt)
    const [weight] = first.weights.stored.values()
    await first.dispose()
    await first.dispose()
    await expect(shared.read(weight!)).rejects.toThrow(/was released/)
    expect((await second.run(prompt)).logits!.data).toEqual(before.logits!.data)
    await second.dispose()
    await shared.dispose()
  })

  it('a model that owns its backend disposes it', async () => {
    const own = backend()
    const dispose = vi.spyOn(own, 'dispose')
    const model = await openModel(memorySource(llamaFiles(sizes)), own, { ownsBackend: true })
    await model.dispose()
    expect(dispose).toHaveBeenCalledOnce()
  })

  it('stores tied weights once, and counts what the model reads', async () => {
    const untied = await openModel(memorySource(llamaFiles(sizes)), backend())
    const files = llamaFiles({ ...sizes, tied: true })
    const model = await openModel(memorySource(files), backend())
    const bytes = [...model.weights.stored.values()].reduce((sum, stored) => sum + stored.bytes, 0)
    expect(model.weights.count).toBe(untied.weights.count - 11 * 16)
    expect(bytes).toBe(4 * model.weights.count)
    expect(model.memory).toMatchObject({ parameters: model.weights.count, weightBytes: bytes })
    const [embedding, unembedding] = [await model.weights.array('embed.W_E'), await model.weights.array('unembed.W_U')]
    expect(unembedding.shape).toEqual([16, 11])
    expect(unembedding.data[3 * 11 + 7]).toBe(embedding.data[7 * 16 + 3])
    await expect(model.weights.array('embed.W_e')).rejects.toThrow(/Near: embed.W_E/)
    await untied.dispose()
    await model.dispose()
  })

  it('buffers that are not read count for nothing', async () => {
    const files = llamaFiles({ ...sizes, n_layers: 1 })
    const plain = await openModel(memorySource(files), backend())
    const buffer = { dtype: 'F32' as const, shape: [500], data: new Float32Array(500) }
    const shard = writeSafetensors({ 'model.layers.0.self_attn.rotary_emb.inv_freq': buffer })
    const map = [...plain.weights.specs.values()].map(({ source }) => [source.tensor, 'a.safetensors'])
    const withBuffer = {
      'config.json': files['config.json']!,
      'a.safetensors': files['model.safetensors']!,
      'b.safetensors': shard,
      'model.safetensors.index.json': JSON.stringify({
        weight_map: { ...Object.fromEntries(map), 'model.layers.0.self_attn.rotary_emb.inv_freq': 'b.safetensors' },
      }),
    }
    const progress: Progress[] = []
    const model = await openModel(memorySource(withBuffer), backend(), { onProgress: (p) => progress.push(p) })
    expect(model.memory.parameters).toBe(plain.memory.parameters)
    expect(progress.at(-1)).toMatchObject({ done: 4 * plain.memory.parameters, total: 4 * plain.memory.parameters })
    await plain.dispose()
    await model.dispose()
  })

  it('exact processing changes the weights and no probability, and every result says so', async () => {
    const logSoftmax = (logits: Float32Array) => {
      const rows = Array.from({ length: prompt.length }, (_, p) => [...logits.subarray(p * 11, p * 11 + 11)])
      return rows.flatMap((row) => {
        const sum = Math.log(row.reduce((total, x) => total + Math.exp(x), 0))
        return row.map((x) => x - sum)
      })
    }
    for (const tied of [false, true]) {
      const files = llamaFiles({ ...sizes, tied })
      const plain = await logitsOf(files)
      const processed = await logitsOf(files, { processing: { fold_ln: true, center_unembed: true } })
      expect(plain.provenance.processing).toEqual([])
      expect(processed.provenance.processing).toEqual(['fold_ln', 'center_unembed'])
      expect(disagreement(processed.logits, plain.logits)).toBeGreaterThan(1e-3)
      expect(disagreement(logSoftmax(processed.logits), logSoftmax(plain.logits))).toBeLessThanOrEqual(1e-5)
    }
  })

  it('refuses before it reads what free memory cannot hold', async () => {
    const source = memorySource(llamaFiles(sizes))
    const read: string[] = []
    const watched = {
      ...source,
      readRange: (path: string, begin: number, end: number) => {
        if (end - begin > 4000) read.push(path)
        return source.readRange(path, begin, end)
      },
    }
    await expect(openModel(watched, backend(), { memoryLimit: 1000 })).rejects.toThrow(/memory to load.*are free/)
    expect(read).toEqual([])
  })

  it('stops when it is aborted', async () => {
    const controller = new AbortController()
    let steps = 0
    const opening = openModel(memorySource(llamaFiles(sizes)), backend(), {
      signal: controller.signal,
      onProgress: () => {
        if (++steps === 3) controller.abort()
      },
    })
    await expect(opening).rejects.toThrow()
    expect(steps).toBe(3)
  })
})
