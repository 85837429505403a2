import { type ReadoutContext, stack } from 'diopter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { logitDifference } from '../../src/lab/index.ts'
import type { Model } from '../../src/lab/model.ts'
import { disagreement } from '../support/families.ts'
import { openToy, toyForms } from '../support/toy-model.ts'

const PROMPTS = [[1, 4, 2, 5, 3], [6, 0], [2, 3, 1, 1, 4], [5]]

describe('readouts', () => {
  let model: Model
  beforeAll(async () => {
    model = await openToy(toyForms['one after the other']!)
  })
  afterAll(() => model.dispose())

  it('compute inside the graph what captures would give outside, prompt by prompt, padded or not', async () => {
    const hook = 'blocks.1.hook_resid_post'
    const trace = ({ activation, unembed, finalNorm, logits, tokens, weight }: ReadoutContext) => ({
      ends: stack([activation(hook).get(':', 0), activation(hook).get(':', -1)], 1),
      gap: unembed(activation(hook)).sub(logits).abs().max([1, 2]),
      normGap: finalNorm(activation(hook)).sub(activation('unembed.hook_in')).abs().max([1, 2]),
      tokens,
      pattern: activation('blocks.0.attn.hook_pattern').sum(-1),
      embedding: weight('embed.W_E').gather(tokens.get(':', 0), 0),
    })
    const { readout, captures, logits, metric } = await model.run(PROMPTS, {
      capture: [hook, 'hook_embed'],
      metric: (logits) => logits.get(':', -1, 0),
      readout: { reads: [hook, 'unembed.hook_in', 'blocks.0.attn.hook_pat*'], trace },
    })
    expect(metric).toHaveLength(4)
    expect(logits).toBeUndefined()
    for (const [i, prompt] of PROMPTS.entries()) {
      const { readout: alone, captures: own } = await model.run([prompt], {
        capture: hook,
        readout: { reads: [hook, 'unembed.hook_in', 'blocks.0.attn.hook_pattern'], trace },
      })
      expect([...readout.tokens![i]!.data].map(Number)).toEqual(prompt)
      expect(readout.ends![i]!.shape).toEqual([2, 8])
      const data = own[hook]!.data as Float32Array
      const expected = [...data.subarray(0, 8), ...data.subarray(data.length - 8)]
      for (const values of [readout.ends![i]!.data, alone.ends![0]!.data])
        expected.forEach((x, at) => {
          expect(Number(values[at])).toBeCloseTo(x, 5)
        })
      expect(Number(readout.gap![i]!.data[0])).toBeLessThan(1e-5)
      expect(Number(readout.normGap![i]!.data[0])).toBeLessThan(1e-5)
      // Rows of a pattern sum to 1 for each head and query.
      expect(readout.pattern![i]!.shape).toEqual([2, prompt.length])
      for (const sum of readout.pattern![i]!.data) expect(Number(sum)).toBeCloseTo(1, 5)
      expect(readout.embedding![i]!.data).toEqual(captures.hook_embed!.data.slice(i * 5 * 8, i * 5 * 8 + 8))
    }
  })

  it('see edits, and run beside gradients', async () => {
    const hook = 'blocks.0.hook_resid_post'
    const { readout, gradients } = await model.run([PROMPTS[0]!], {
      edits: { [hook]: (x) => x.mul(0).add(2) },
      metric: (logits) => logits.get(':', -1, 0),
      grad: 'hook_embed',
      readout: { reads: hook, trace: ({ activation }) => ({ x: activation(hook) }) },
    })
    expect(new Set(Array.from(readout.x![0]!.data as Float32Array))).toEqual(new Set([2]))
    expect(Math.max(...Array.from(gradients.hook_embed!.data as Float32Array, Math.abs))).toBe(0)
  })

  it("see the gradient of each row's own metric, padded or not", async () => {
    const hook = 'blocks.0.hook_resid_post'
    const readout = {
      reads: hook,
      differentiates: [hook, 'hook_embed'],
      trace: ({ activation, gradient }: ReadoutContext) => ({
        slope: gradient(hook),
        product: activation(hook).mul(gradient(hook)).sum([1, 2]),
        embed: gradient('hook_embed'),
      }),
    }
    const metric = logitDifference(2, 5)
    const together = await model.run(PROMPTS, { metric, readout })
    for (const [i, prompt] of PROMPTS.entries()) {
      const alone = await model.run([prompt], { metric, grad: [hook, 'hook_embed'], capture: hook })
      const slope = Array.from(alone.gradients[hook]!.data as Float32Array)
      const embed = Array.from(alone.gradients.hook_embed!.data as Float32Array)
      const product = slope.reduce((sum, x, at) => sum + x * Number(alone.captures[hook]!.data[at]), 0)
      const own = (name: string) => Array.from(together.readout[name]![i]!.data as Float32Array)
      expect(own('product')[0]).toBeCloseTo(product, 5)
      expect(disagreement(own('slope'), slope)).toBeLessThan(1e-5)
      expect(disagreement(own('embed'), embed)).toBeLessThan(1e-5)
      expect(Math.max(...slope.map(Math.abs))).toBeGreaterThan(1e-3)
    }
    await expect(model.run(PROMPTS, { readout })).rejects.toThrow('without a metric')
  })

  it('are of all prompts together, of any shape, where these have one length', async () => {
    const readout = {
      reads: 'hook_embed',
      acrossPrompts: true,
      trace: ({ activation }: ReadoutContext) => ({
        change: activation('hook_embed').get(0).sub(activation('hook_embed').get(1)),
      }),
    }
    const { readout: values, captures } = await model.run([PROMPTS[0]!, PROMPTS[2]!], {
      readout,
      capture: 'hook_embed',
    })
    const data = captures.hook_embed!.data as Float32Array
    expect(values.change).toHaveLength(1)
    expect(values.change![0]!.shape).toEqual([5, 8])
    values.change![0]!.data.forEach((x, i) => {
      expect(Number(x)).toBeCloseTo(data[i]! - data[40 + i]!, 6)
    })
    await expect(model.run(PROMPTS, { readout })).rejects.toThrow('prompts of one length')
  })

  it('refuse hooks that they did not name, unknown ones, and values without rows', async () => {
    const run = (reads: string, trace: (context: ReadoutContext) => ReturnType<ReadoutContext['activation']>) =>
      model.run([PROMPTS[0]!], { readout: { reads, trace: (context) => ({ value: trace(context) }) } })
    await expect(run('hook_embed', ({ activation }) => activation('hook_pos_embed'))).rejects.toThrow('does not name')
    await expect(run('hook_embedd', ({ tokens }) => tokens)).rejects.toThrow('hook_embed')
    await expect(run('hook_embed', ({ activation }) => activation('hook_embed').get(0))).rejects.toThrow('first axis')
  })
})
