import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import {
  hasReferences,
  largestError,
  openReference,
  readJson,
  readTensors,
  recordingForward,
  referenceFolder,
} from '../../test/support/reference.ts'
import { stack, topologicalOrder } from '../tensor/index.ts'
import { traceModel } from './parts/model.ts'

const folder = join(referenceFolder, 'huggingface')

describe.skipIf(!hasReferences)('every family agrees with transformers (needs ../shared/reference)', () => {
  const models = hasReferences ? readdirSync(folder) : []

  it('has the checkpoints of all families', () => {
    expect(models).toHaveLength(17)
  })

  it.each(models)('%s: logits, hidden states and attentions', async (model) => {
    const opened = await openReference(join(folder, model))
    const { n_layers } = opened.config
    const expected = readTensors(folder, model, 'expected.safetensors')
    const { forward, seen, feeds } = recordingForward(opened, readJson(folder, model, 'tokens.json'))
    const logits = traceModel(forward)
    const layers = Array.from({ length: n_layers }, (_, l) => l)
    // transformers' last hidden state is the one after the final norm
    const hidden = [...layers.map((l) => `blocks.${l}.hook_resid_pre`), 'unembed.hook_in']
    const patterns = layers.map((l) => `blocks.${l}.attn.hook_pattern`)
    const results = evaluate(
      [logits, stack(hidden.map((name) => seen.get(name)!)), stack(patterns.map((name) => seen.get(name)!))],
      feeds,
    )
    const errors = ['logits', 'hidden_states', 'attentions'].map((name, i) =>
      largestError(results[i]!, expected.get(name)!.data),
    )
    expect(Math.max(...errors)).toBeLessThan(1e-4)
  })

  it.each(models)('%s: weights are multiplied as they are stored', async (model) => {
    const opened = await openReference(join(folder, model))
    const { forward, feeds } = recordingForward(opened, [[1, 2, 3]])
    const order = topologicalOrder([traceModel(forward)])
    const stored = new Set(feeds.keys())
    for (const node of order.filter(({ op }) => op === 'transpose')) {
      const source = node.inputs[0]!.op === 'reshape' ? node.inputs[0]!.inputs[0]! : node.inputs[0]!
      if (!stored.has(source)) continue
      // A swap of the last two axes right before a matrix product costs nothing; any other transpose is a copy.
      const { permutation } = node.attributes as { permutation: readonly number[] }
      const users = order.filter(({ inputs }) => inputs.includes(node))
      expect({ permutation, users: users.map(({ op }) => op) }).toEqual({ permutation: [1, 0], users: ['matmul'] })
    }
  })
})
