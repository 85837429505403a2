import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../../test/support/evaluate.ts'
import {
  hasReferences,
  largestError,
  type Opened,
  openReference,
  openTransformerLens,
  readJson,
  readTensors,
  recordingForward,
  referenceFolder,
  storedOf,
} from '../../../test/support/reference.ts'
import { publicValues, storedShape } from '../parameters.ts'
import { traceModel } from '../parts/model.ts'
import { publicParameters } from '../public-parameters.ts'
import { type ProcessedModel, type ProcessingOptions, processWeights, type Weights } from './index.ts'

const every: ProcessingOptions = {
  fold_ln: true,
  center_writing_weights: true,
  center_unembed: true,
  fold_value_biases: true,
}

describe.skipIf(!hasReferences)('weight processing (needs ../shared/reference)', () => {
  it.each(['gpt2', 'attnonly', 'pythia', 'llama'])('%s: weights and logits of TransformerLens', (model) => {
    const folder = join(referenceFolder, 'transformerlens', model)
    const opened = openTransformerLens(folder)
    const options = { ...every, center_writing_weights: model !== 'llama' }
    const processed = processWeights(opened.config, publicWeights(opened), options)
    expect(processed.config.normalization_type).toBe(readJson(folder, 'config.json').processed_normalization)

    const expected = readTensors(folder, 'processed.safetensors')
    for (const [name, { data }] of expected) {
      if (name === 'logits' || /rotary_(sin|cos)$/.test(name)) continue
      const ours = processed.weights.get(name.replace('attn._', 'attn.'))?.data ?? new Float32Array(data.length)
      expect(largestError(ours, data), name).toBeLessThan(1e-5)
    }
    const { data, shape } = readTensors(folder, 'acts.safetensors').get('tokens')!
    const tokens = Array.from({ length: shape[0]! }, (_, i) => [...data.slice(i * shape[1]!, (i + 1) * shape[1]!)])
    expect(largestError(logitsOf(reopened(processed), tokens), expected.get('logits')!.data)).toBeLessThan(1e-5)
  })

  it.each(hasReferences ? readdirSync(join(referenceFolder, 'huggingface')) : [])(
    '%s: every exact option keeps the probabilities',
    async (model) => {
      const folder = join(referenceFolder, 'huggingface', model)
      const opened = await openReference(folder)
      const tokens = readJson(folder, 'tokens.json')
      const options: ProcessingOptions = {
        ...every,
        center_writing_weights: opened.config.normalization_type === 'LN',
        center_unembed: opened.config.logit_softcap === null,
      }
      const processed = reopened(processWeights(opened.config, publicWeights(opened), options))
      const before = logProbabilities(opened, tokens)
      expect(largestError(logProbabilities(processed, tokens), before)).toBeLessThan(1e-5)
    },
  )

  it('refuses what would not be exact, with the reason', async () => {
    const gemma2 = await openReference(join(referenceFolder, 'huggingface', 'gemma2'))
    const llama = await openReference(join(referenceFolder, 'huggingface', 'llama'))
    const refuse = (opened: Opened, options: ProcessingOptions) => () =>
      processWeights(opened.config, publicWeights(opened), options)
    expect(refuse(llama, { center_writing_weights: true })).toThrow(/read by RMS/)
    expect(refuse(gemma2, { center_unembed: true })).toThrow(/capped by tanh/)
    const folded = reopened(processWeights(llama.config, publicWeights(llama), { fold_ln: true }))
    expect(refuse(folded, { fold_ln: true })).toThrow(/folded already/)
  })

  it('changes nothing of what it is given', () => {
    const opened = openTransformerLens(join(referenceFolder, 'transformerlens', 'gpt2'))
    const weights = publicWeights(opened)
    const copies = [...weights].map(([name, { data }]) => [name, data.slice()] as const)
    processWeights(opened.config, weights, every)
    for (const [name, data] of copies) expect(weights.get(name)!.data).toEqual(data)
  })
})

function publicWeights({ parameters, stored }: Opened): Weights {
  return new Map(
    parameters.map((spec) => [spec.name, { shape: spec.shape, data: publicValues(spec, stored.get(spec.name)!) }]),
  )
}

function reopened({ config, weights }: ProcessedModel): Opened {
  const parameters = publicParameters(config, new Map([...weights].map(([name, { shape }]) => [name, shape])))
  const stored = storedOf(parameters, weights)
  for (const spec of parameters)
    expect(stored.get(spec.name)!.length).toBe(storedShape(spec).reduce((a, b) => a * b, 1))
  return { config, parameters, stored }
}

function logitsOf(opened: Opened, tokens: number[][]): Float64Array {
  const { forward, feeds } = recordingForward(opened, tokens)
  return evaluate([traceModel(forward)], feeds)[0]!
}

function logProbabilities(opened: Opened, tokens: number[][]): Float64Array {
  const { forward, feeds } = recordingForward(opened, tokens)
  return evaluate([traceModel(forward).logSoftmax()], feeds)[0]!
}
