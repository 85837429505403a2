import { loadModel } from 'diopter'
import { describe, expect, it } from 'vitest'
import {
  hasReferences,
  huggingfaceModels,
  largestError,
  readJson,
  readTensors,
  referenceFolder,
  transformerLensModels,
} from '../support/reference.ts'

describe.skipIf(!hasReferences)('agreement with transformers (skipped without ../shared/reference)', () => {
  it.each(huggingfaceModels)('%s: logits, hidden states, attentions', async (name) => {
    const folder = `${referenceFolder}/huggingface/${name}`
    const expected = readTensors(`${folder}/expected.safetensors`)
    const tokens = readJson(folder, 'tokens.json') as number[][]
    const model = await loadModel(folder)
    const { logits, captures } = await model.run(tokens, {
      positions: 'all',
      capture: ['blocks.*.hook_resid_pre', 'unembed.hook_in', '*hook_pattern'],
    })
    expect(largestError(logits!.data, expected.get('logits')!.data)).toBeLessThan(1e-4)
    const layers = model.config.n_layers
    const hidden = [
      ...Array.from({ length: layers }, (_, l) => captures[`blocks.${l}.hook_resid_pre`]!),
      captures['unembed.hook_in']!,
    ]
    const flat = hidden.flatMap(({ data }) => [...(data as Float32Array)])
    expect(largestError(flat, expected.get('hidden_states')!.data)).toBeLessThan(1e-4)
    const patterns = Array.from({ length: layers }, (_, l) => [
      ...(captures[`blocks.${l}.attn.hook_pattern`]!.data as Float32Array),
    ]).flat()
    expect(largestError(patterns, expected.get('attentions')!.data)).toBeLessThan(1e-4)
    await model.dispose()
  })
})

describe.skipIf(!hasReferences)('agreement with TransformerLens (skipped without ../shared/reference)', () => {
  it.each(transformerLensModels)('%s: every activation and gradient', async (name) => {
    const folder = `${referenceFolder}/transformerlens/${name}`
    const acts = readTensors(`${folder}/acts.safetensors`)
    const grads = readTensors(`${folder}/grads.safetensors`)
    const { answer, wrong } = readJson(folder, 'config.json')
    const model = await loadModel(folder)
    const [rows, length] = acts.get('tokens')!.shape as [number, number]
    const tokens = Array.from({ length: rows }, (_, r) =>
      Array.from(acts.get('tokens')!.data.subarray(r * length, (r + 1) * length)),
    )
    const hooks = [...acts.keys()].filter((key) => key.startsWith('act/')).map((key) => key.slice(4))
    expect(new Set(model.hookNames)).toEqual(new Set(hooks))
    const gradNames = [...grads.keys()]
      .filter((key) => key.startsWith('grad/') || key.startsWith('wgrad/'))
      .map((key) => key.replace(/^w?grad\//, '').replace(/attn\._/, 'attn.'))
    const result = await model.run(tokens, {
      positions: 'all',
      capture: hooks,
      metric: (logits) => logits.get(':', -1, answer).sub(logits.get(':', -1, wrong)),
      grad: gradNames,
    })
    expect(largestError(result.logits!.data, acts.get('logits')!.data)).toBeLessThan(1e-5)
    for (const hook of hooks)
      expect(largestError(result.captures[hook]!.data, acts.get(`act/${hook}`)!.data), hook).toBeLessThan(1e-5)
    expect(Math.abs((result.metric![0]! + result.metric![1]!) / 2 - grads.get('metric')!.data[0]!)).toBeLessThan(1e-5)
    for (const name of gradNames) {
      const key = [`grad/${name}`, `wgrad/${name}`, `wgrad/${name.replace('attn.', 'attn._')}`].find((k) =>
        grads.has(k),
      )!
      const scale = Math.max(1e-3, ...grads.get(key)!.data.map(Math.abs))
      expect(largestError(result.gradients[name]!.data, grads.get(key)!.data) / scale, key).toBeLessThan(1e-4)
    }
    await model.dispose()
  })
})
