import { type EditFunction, Engine, logitDifference, tensor, type Variant } from 'diopter'
import { describe, expect, it } from 'vitest'
import { createNodeBackend } from '../../src/engine/node/backend.ts'
import type { Model } from '../../src/lab/model.ts'
import { disagreement, tokenIds } from '../support/families.ts'
import { heldBytes } from '../support/memory.ts'
import { openToy, toyForms } from '../support/toy-model.ts'

// The riskiest combination: one traced edit through a plain run, a left-padded batch, cached decoding and variants, with
// weights as inputs and resident, on a model of two layers.
const hook = 'blocks.0.hook_resid_post'
const edit: EditFunction = (x, { positions }) => positions.equal(2).unsqueeze(2).where(x.mul(-0.5), x)
const metric = logitDifference(2, 5)
const open = (engine?: Engine) => openToy(toyForms['parallel, two norms']!, { engine })

/** The logit difference at the last position of one prompt, every way; they must agree. */
async function everyWay(model: Model, residency: 'inputs' | 'resident' | 'auto', seed: number): Promise<number[]> {
  const prompt = tokenIds(model, 6, seed)
  const edits = { [hook]: edit }
  const plain = await model.run(prompt, { edits, metric, residency })
  const padded = await model.run([tokenIds(model, 4, seed + 1), prompt, tokenIds(model, 3, seed + 2)], {
    edits,
    metric,
    residency,
  })
  const variants: Variant[] = [[{ hook, edit }], [{ hook, kind: 'scale', factor: -0.5, positions: [2] }]]
  const swept = await model.variants(prompt, variants, metric)
  // The prompt's last token is decoded, not prefilled, by replacing what the model would have said.
  const peak = tensor(Float32Array.from({ length: 7 }, (_, id) => (id === prompt[5] ? 1e6 : 0)))
  const forced: EditFunction = (x, { positions }) => positions.equal(4).unsqueeze(2).where(x.add(peak), x)
  const decoded = await model.generate([prompt.slice(0, 5)], {
    tokens: 2,
    edits: { ...edits, 'unembed.hook_out': forced },
    capture: 'unembed.hook_out',
  })
  const [, step] = decoded.captures['unembed.hook_out']!
  return [plain.metric![0]!, padded.metric![1]!, ...swept.values, Number(step!.data[2]) - Number(step!.data[5])]
}

describe('a traced edit through every way of running', () => {
  it('gives one number, with weights as inputs and resident', async () => {
    const model = await open()
    const unedited = (await model.run(tokenIds(model, 6), { metric })).metric![0]!
    for (const residency of ['inputs', 'resident', 'auto'] as const) {
      const [plain, ...others] = await everyWay(model, residency, 1)
      expect(Math.abs(plain! - unedited)).toBeGreaterThan(0.01)
      for (const other of others) expect(disagreement([other], [plain!])).toBeLessThanOrEqual(1e-5)
    }
    await model.dispose()
  })

  it('compiles each way once, and once more when it is promoted', async () => {
    const model = await open()
    const compiles = () => model.engine.statistics.compiles
    await everyWay(model, 'inputs', 1)
    // run, padded run, variants, prefill, step
    expect(compiles()).toBe(5)
    await everyWay(model, 'inputs', 2)
    await everyWay(model, 'inputs', 3)
    expect(compiles()).toBe(5)
    // after three runs variants, prefill and step are promoted; runs with weights as inputs never are
    await everyWay(model, 'inputs', 4)
    expect(compiles()).toBe(8)
    await everyWay(model, 'resident', 4)
    expect(compiles()).toBe(10)
    for (let seed = 5; seed < 9; seed++) await everyWay(model, 'resident', seed)
    expect(compiles()).toBe(10)
    await model.dispose()
  })

  it('holds no more memory after many repeats', async () => {
    const backend = createNodeBackend({ threads: 1 })
    const model = await open(new Engine({ backend }))
    const repeat = async (times: number) => {
      for (let i = 0; i < times; i++) await everyWay(model, 'auto', i % 7)
      return heldBytes()
    }
    await repeat(150)
    const before = await repeat(50)
    const after = await repeat(250)
    expect(model.engine.statistics.sessions).toBeLessThanOrEqual(10)
    // 1250 runs; one activation kept per run would be far beyond this
    expect(after - before).toBeLessThan(24 * 2 ** 20)
    await model.dispose()
  }, 240_000)
})
