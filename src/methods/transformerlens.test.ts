import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  hasReferences,
  largestError,
  readJson,
  readTensors,
  referenceFolder,
  type Stored,
  transformerLensModels,
} from '../../test/support/reference.ts'
import type { Model } from '../lab/index.ts'
import { loadModel } from '../lab/node/load-model.ts'
import { directLogitAttribution } from './direct-attribution/direct-logit-attribution.ts'
import type { Decomposition } from './direct-attribution/residual-parts.ts'
import { residualStack } from './direct-attribution/residual-stack.ts'
import { activationPatching } from './patching/activation-patching.ts'
import { attributionPatching } from './patching/attribution-patching.ts'
import type { PatchBy, PatchWhat } from './patching/patch-grid.ts'

const SWEEPS: readonly [name: string, what: PatchWhat, by: PatchBy, order?: readonly [number, number, number]][] = [
  ['resid_pre', 'resid_pre', 'position'],
  ['resid_mid', 'resid_mid', 'position'],
  ['attn_out', 'attn_out', 'position'],
  ['mlp_out', 'mlp_out', 'position'],
  ['attn_head_out_by_pos', 'z', 'head_position'],
  ['attn_head_out_all_pos', 'z', 'head'],
  ['attn_head_q_all_pos', 'q', 'head'],
  ['attn_head_k_all_pos', 'k', 'head'],
  ['attn_head_v_all_pos', 'v', 'head'],
  ['attn_head_pattern_all_pos', 'pattern', 'head'],
  ['attn_head_pattern_by_pos', 'pattern', 'head_position', [0, 2, 1]],
]

describe.skipIf(!hasReferences)('methods agree with TransformerLens (skipped without ../shared/reference)', () => {
  describe.each(transformerLensModels)('%s', (name) => {
    const folder = `${referenceFolder}/transformerlens/${name}`
    let model: Model
    let tools: Map<string, Stored>
    let config: {
      answer: number
      wrong: number
      decompose_labels: string[]
      head_labels: string[]
      full_labels: string[]
    }
    let clean: number[][]
    let corrupt: number[][]
    beforeAll(async () => {
      model = await loadModel(folder)
      tools = readTensors(`${folder}/tools.safetensors`)
      config = readJson(folder, 'config.json') as typeof config
      const acts = readTensors(`${folder}/acts.safetensors`)
      clean = rows(acts.get('tokens')!)
      corrupt = rows(acts.get('corrupted_tokens')!)
    })
    afterAll(() => model.dispose())

    it.each([
      ['accumulated_resid', 'accumulated'],
      ['decompose_resid', 'component'],
      ['stack_head_results', 'head'],
      ['full_resid_decomposition', 'full'],
    ] as const)('%s', async (tool, by) => {
      const stacks = await residualStack(model, clean, by)
      expectClose(byPart(stacks.map(({ data }) => data)), tools.get(tool)!)
      const labels = { component: config.decompose_labels, head: config.head_labels, full: config.full_labels }
      if (by !== 'accumulated') expect(stacks[0]!.labels).toEqual(labels[by])
      if (!tools.has(`${tool}_ln`)) return
      const normalized = await residualStack(model, clean, by, { normalized: true })
      expectClose(byPart(normalized.map(({ data }) => data)), tools.get(`${tool}_ln`)!)
    })

    it.each([
      ['logit_attrs_decompose', 'component'],
      ['logit_attrs_heads', 'head'],
    ] as const)('%s', async (tool, by: Decomposition) => {
      const questions = clean.map((prompt) => ({ prompt, answer: config.answer, wrong: config.wrong }))
      const { values } = await directLogitAttribution(model, questions, { by, finalNormWeight: false })
      expectClose(byPart(values.questions.map((question) => Float32Array.from(question.values))), tools.get(tool)!)
    })

    it.each(SWEEPS)('patch_%s', async (tool, what, by, order) => {
      const expected = tools.get(`patch_${tool}`)
      if (!expected) {
        // The reference has no such sweep where the model has no such activation: then ours must refuse it.
        await expect(activationPatching(model, pairs(), { what, by })).rejects.toThrow(/no '|in parallel/)
        return
      }
      const { values } = await activationPatching(model, pairs(), { what, by, bothDirections: false })
      const flat = (values.values as unknown[]).flat(2) as number[]
      expectClose(Float32Array.from(order ? permuted(flat, expected.shape, order) : flat), expected)
    })

    it.each([
      ['attrib_resid_pre', 'resid_pre'],
      ['attrib_head_z', 'z'],
    ] as const)('%s', async (tool, what) => {
      const { values } = await attributionPatching(model, pairs(), { what })
      expectClose(Float32Array.from((values.values as unknown[]).flat(2) as number[]), tools.get(tool)!)
    })

    const pairs = () =>
      clean.map((prompt, i) => ({ clean: prompt, corrupt: corrupt[i]!, answer: config.answer, wrong: config.wrong }))
  })
})

function rows({ data, shape }: Stored): number[][] {
  const length = shape[1]!
  return Array.from({ length: shape[0]! }, (_, i) => Array.from(data.slice(i * length, (i + 1) * length), Number))
}

/** [prompt][part * d] to [part, prompt, d], the reference's order. */
function byPart(prompts: readonly Float32Array[]): (size: number) => Float32Array {
  return (parts) => {
    const size = prompts[0]!.length / parts
    const result = new Float32Array(prompts.length * prompts[0]!.length)
    for (let part = 0; part < parts; part++)
      prompts.forEach((data, i) => {
        result.set(data.subarray(part * size, (part + 1) * size), (part * prompts.length + i) * size)
      })
    return result
  }
}

/** Our [layer][position][head] in the order of a reference of shape [layer, head, position]. */
function permuted(flat: readonly number[], shape: readonly number[], order: readonly number[]): number[] {
  const [layers, b, c] = shape as [number, number, number]
  expect(order).toEqual([0, 2, 1])
  return Array.from({ length: layers * b * c }, (_, i) => {
    const [layer, head, position] = [Math.floor(i / (b * c)), Math.floor(i / c) % b, i % c]
    return flat[(layer * c + position) * b + head]!
  })
}

function expectClose(actual: Float32Array | ((parts: number) => Float32Array), expected: Stored): void {
  const values = typeof actual === 'function' ? actual(expected.shape[0]!) : actual
  expect(values.length).toBe(expected.data.length)
  expect(largestError(values, expected.data)).toBeLessThan(1e-5)
}
