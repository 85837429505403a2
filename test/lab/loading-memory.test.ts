import { truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from 'diopter'
import { expect, it } from 'vitest'
import { safetensorsHeader } from '../../src/hub/safetensors-write.ts'
import { type LlamaSizes, llamaConfig, llamaShapes } from '../support/llama-checkpoint.ts'

// One test in a file of its own: every test file is a process, and this looks at the largest memory that its process had.
const sizes: LlamaSizes = { d_model: 1024, d_mlp: 2816, n_layers: 7, vocabulary: 8000 }

it('loading 400 MB of weights from float16 takes at most 1.3 times their size', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diopter-loading-'))
  try {
    await writeFile(join(folder, 'config.json'), llamaConfig(sizes))
    const shapes = llamaShapes(sizes)
    const elements = shapes.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0)
    const header = safetensorsHeader(shapes.map(([name, shape]) => ({ name, dtype: 'F16', shape })))
    const file = join(folder, 'model.safetensors')
    writeFileSync(file, header)
    truncateSync(file, header.length + 2 * elements) // zeros that take no room on disk
    const weights = 4 * elements
    expect(weights).toBeGreaterThan(390e6)
    const before = process.memoryUsage().rss
    const model = await loadModel(folder)
    const peak = process.resourceUsage().maxRSS * 1024
    expect((peak - before) / weights).toBeLessThan(1.3)
    expect(model.memory.weightBytes).toBe(weights)
    expect(peak - before).toBeLessThan(model.memory.peakLoadBytes)
    await model.dispose()
  } finally {
    await rm(folder, { recursive: true })
  }
})
