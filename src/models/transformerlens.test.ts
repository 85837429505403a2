import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import {
  hasReferences,
  largestError,
  type Opened,
  openTransformerLens,
  readJson,
  readTensors,
  recordingForward,
  referenceFolder,
  type Stored,
} from '../../test/support/reference.ts'
import { gradients } from '../autodiff/index.ts'
import type { Tensor } from '../tensor/index.ts'
import { hookPoints } from './hook-points.ts'
import { publicValues } from './parameters.ts'
import { traceModel } from './parts/model.ts'

const models = ['gpt2', 'attnonly', 'pythia', 'llama']

describe.skipIf(!hasReferences)('agrees with TransformerLens (needs ../shared/reference)', () => {
  describe.each(models)('%s', (model) => {
    const folder = join(referenceFolder, 'transformerlens', model)

    it('lists exactly the hooks of the reference, and they fire in that order', () => {
      const opened = openTransformerLens(folder)
      const { seen } = trace(opened, tokensOf(folder))
      const points = hookPoints(opened.config)
      expect(points.map(({ name }) => name)).toEqual([...seen.keys()])
      expect([...seen.keys()].sort()).toEqual([...readJson(folder, 'config.json').hooks].sort())
      for (const { name, axes, sizes } of points) {
        const shape = seen.get(name)!.shape
        const given: Record<string, number> = { batch: 2, pos: 10, query_pos: 10, key_pos: 10 }
        expect(
          sizes.map((size, i) => size ?? given[axes[i]!]),
          name,
        ).toEqual(shape)
      }
    })

    it('activations, hook_result included', () => {
      const opened = openTransformerLens(folder)
      const acts = readTensors(folder, 'acts.safetensors')
      const { logits, seen, feeds } = trace(opened, tokensOf(folder))
      const results = evaluate([logits, ...seen.values()], feeds)
      const expected = [acts.get('logits')!, ...[...seen.keys()].map((name) => acts.get(`act/${name}`)!)]
      expected.forEach((stored, i) => {
        expect(largestError(results[i]!, stored.data), ['logits', ...seen.keys()][i]).toBeLessThan(1e-5)
      })
    })

    it('gradients of activations and of weights', () => {
      const opened = openTransformerLens(folder)
      const expected = readTensors(folder, 'grads.safetensors')
      const { answer, wrong, grad_hooks: hooks } = readJson(folder, 'config.json')
      const { logits, seen, feeds } = trace(opened, tokensOf(folder))
      const last = logits.get(':', -1)
      const metric = last.get(':', answer).sub(last.get(':', wrong)).mean()
      const activations = (hooks as string[]).map((name) => seen.get(name)!)
      const weights = [...feeds.keys()]
      const all = evaluate(gradients([metric], [...activations, ...weights]), feeds)
      hooks.forEach((name: string, i: number) => {
        expect(relativeError(all[i]!, expected.get(`grad/${name}`)!), name).toBeLessThan(1e-4)
      })
      opened.parameters.forEach((spec, i) => {
        const gradient = publicValues(spec, Float32Array.from(all[activations.length + i]!))
        const reference = expected.get(`wgrad/${spec.source.tensor}`)!
        expect(relativeError(gradient, reference), spec.name).toBeLessThan(1e-4)
      })
    })
  })
})

function tokensOf(folder: string): number[][] {
  const { data, shape } = readTensors(folder, 'acts.safetensors').get('tokens')!
  return Array.from({ length: shape[0]! }, (_, i) => [...data.slice(i * shape[1]!, (i + 1) * shape[1]!)])
}

function trace(opened: Opened, tokens: number[][]) {
  const { forward, seen, feeds } = recordingForward(opened, tokens, {
    wants: () => true,
    hook: (_, x) => x.pin(),
  })
  const logits: Tensor = traceModel(forward)
  return { logits, seen, feeds }
}

/**
 * The largest difference relative to the reference's largest entry. Entries below 1e-2 count as 1e-2: without rotation the
 * gradient of b_K is zero (it shifts all scores of a query alike), and the reference holds rounding noise of 2e-8.
 */
function relativeError(actual: ArrayLike<number>, { data }: Stored): number {
  const scale = data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-2)
  return largestError(
    Array.from(actual, (value) => value / scale),
    data.map((value) => value / scale),
  )
}
