import { type EditFunction, ofPrompt } from 'diopter'
import { describe, expect, it } from 'vitest'
import { disagreement, families, tokenIds } from '../support/families.ts'
import { hasReferences } from '../support/reference.ts'

const title = `padded batches give the numbers of single runs${hasReferences ? '' : ' (toys only: no ../shared/reference)'}`

describe.each(families)(`${title}: %s`, (_, open) => {
  it('logits and every capture', async () => {
    const model = await open()
    const prompts = [5, 2, 9, 1, 5].map((length, i) => tokenIds(model, length, i + 1))
    const batch = await model.run(prompts, { capture: '*', positions: 'all' })
    const last = await model.run(prompts, { positions: [0, -1] })
    expect(Object.keys(batch.captures)).toEqual(model.hookNames)
    for (const [i, prompt] of prompts.entries()) {
      const single = await model.run(prompt, { capture: '*', positions: 'all' })
      expect(disagreement(ofPrompt(batch.logits!, i).data, single.logits!.data)).toBeLessThanOrEqual(1e-5)
      const vocabulary = model.config.d_vocab_out
      const own = single.logits!.data as Float32Array
      const ends = [...own.subarray(0, vocabulary), ...own.subarray(own.length - vocabulary)]
      expect(disagreement(ofPrompt(last.logits!, i).data, ends)).toBeLessThanOrEqual(1e-5)
      for (const hook of model.hookNames) {
        const part = ofPrompt(batch.captures[hook]!, i)
        expect(part.shape, hook).toEqual(single.captures[hook]!.shape.slice(1))
        expect(disagreement(part.data, single.captures[hook]!.data), hook).toBeLessThanOrEqual(1e-5)
      }
    }
    await model.dispose()
  })

  it('edits at positions 1 and -1, the metric and its gradients', async () => {
    const model = await open()
    const prompts = [5, 2, 9, 3].map((length, i) => tokenIds(model, length, i + 1))
    const seen: (readonly number[])[] = []
    const early: EditFunction = (x, { prompts: rows }) => {
      seen.push(rows)
      return x.at(':', 1).mul(0.5)
    }
    const options = {
      capture: ['blocks.*.hook_resid_post', '*hook_pattern'],
      edits: {
        'blocks.0.hook_resid_pre': early,
        'blocks.0.attn.hook_pattern': ((x) => x.at(':', 0, -1, 0).set(0.25)) as EditFunction,
        'blocks.1.attn.hook_z': ((x) => x.at(':', -1).add(0.3)) as EditFunction,
        'blocks.1.hook_resid_pre': { kind: 'scale', factor: 0.7, positions: [-1, 0] } as const,
      },
      metric: ((logits) => logits.get(':', -1, 3).add(logits.get(':', 1, 2))) as (
        logits: import('diopter').Tensor,
      ) => import('diopter').Tensor,
      grad: [
        'hook_embed',
        'blocks.1.attn.hook_q',
        'blocks.*.attn.hook_attn_scores',
        'blocks.0.attn.W_O',
        'unembed.W_U',
      ],
    }
    const batch = await model.run(prompts, options)
    expect(seen).toEqual([[1], [3], [0], [2]])
    const weightSums = new Map<string, Float64Array>()
    for (const [i, prompt] of prompts.entries()) {
      const single = await model.run(prompt, options)
      expect(disagreement([batch.metric![i]!], single.metric!)).toBeLessThanOrEqual(1e-5)
      for (const [hook, capture] of Object.entries(single.captures))
        expect(disagreement(ofPrompt(batch.captures[hook]!, i).data, capture.data), hook).toBeLessThanOrEqual(1e-5)
      for (const [name, { data }] of Object.entries(single.gradients)) {
        const share = Float64Array.from(data as Float32Array, (x) => x / prompts.length)
        const whole = batch.gradients[name]!
        if ('lengths' in whole) expect(disagreement(ofPrompt(whole, i).data, share), name).toBeLessThanOrEqual(1e-5)
        else
          weightSums.set(
            name,
            share.map((x, k) => x + (weightSums.get(name)?.[k] ?? 0)),
          )
      }
    }
    expect([...weightSums.keys()].sort()).toEqual(['blocks.0.attn.W_O', 'unembed.W_U'])
    for (const [name, sum] of weightSums)
      expect(disagreement(batch.gradients[name]!.data, sum), name).toBeLessThanOrEqual(1e-5)
    await model.dispose()
  })
})
