import { type ReadoutContext, stack } from 'diopter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Model } from '../../src/lab/model.ts'
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

  it('refuse hooks that they did not name, unknown ones, and values without rows', async () => {
    const run = (reads: string, trace: (context: ReadoutContext) => ReturnType<ReadoutContext['activation']>) =>
      model.run([PROMPTS[0]!], { readout: { reads, trace: (context) => ({ value: trace(context) }) } })
    await expect(run('hook_embed', ({ activation }) => activation('hook_pos_embed'))).rejects.toThrow('does not name')
    await expect(run('hook_embedd', ({ tokens }) => tokens)).rejects.toThrow('hook_embed')
    await expect(run('hook_embed', ({ activation }) => activation('hook_embed').get(0))).rejects.toThrow('first axis')
  })
})
