import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { largestError, recordingForward, storedOf } from '../../test/support/reference.ts'
import { blockForms, toyConfig, toyWeights } from '../../test/support/toy-models.ts'
import type { ModelConfig } from './config.ts'
import { traceModel } from './parts/model.ts'
import { publicParameters } from './public-parameters.ts'

const tokens = [
  [1, 5, 2, 0],
  [3, 3, 6, 4],
]

function open(config: ModelConfig, absent?: RegExp) {
  const weights = toyWeights(config, absent)
  const parameters = publicParameters(config, new Map([...weights].map(([name, { shape }]) => [name, shape])))
  return { opened: { config, parameters, stored: storedOf(parameters, weights) }, weights }
}

describe('model', () => {
  it('attention only, without norms or biases, equals the formula written out', () => {
    for (const positional_embedding_type of ['standard', 'shortformer'] as const) {
      const config = toyConfig({
        attn_only: true,
        normalization_type: null,
        final_norm: false,
        positional_embedding_type,
        n_layers: 1,
      })
      const { opened, weights } = open(config, /\.b_/)
      const { forward, feeds } = recordingForward(opened, tokens)
      const [logits] = evaluate([traceModel(forward)], feeds)
      const expected = tokens.flatMap((prompt) => attentionOnly(config, weights, prompt))
      expect(largestError(logits!, expected)).toBeLessThan(1e-10)
    }
  })

  it.each(Object.entries(blockForms))('%s: the residual stream is the sum of what was written', (_, config) => {
    const { forward, seen, feeds } = recordingForward(open(config).opened, tokens)
    traceModel(forward)
    for (let l = 0; l < config.n_layers; l++) {
      const hook = (name: string) => seen.get(`blocks.${l}.${name}`)!
      const parts = ['hook_attn_out', ...(config.attn_only ? [] : ['hook_mlp_out'])].map(hook)
      const sum = parts.reduce((total, part) => total.add(part), hook('hook_resid_pre'))
      const [written, post] = evaluate([sum, hook('hook_resid_post')], feeds)
      expect(largestError(written!, post!)).toBeLessThan(1e-12)
    }
  })

  it.each(Object.entries(blockForms))("%s: the heads' results sum to what attention writes", (_, config) => {
    const { opened } = open(config)
    const plain = recordingForward(opened, tokens)
    const split = recordingForward(opened, tokens, { wants: () => true })
    const [a] = evaluate([traceModel(plain.forward)], plain.feeds)
    const [b] = evaluate([traceModel(split.forward)], split.feeds)
    expect(plain.seen.has('blocks.0.attn.hook_result')).toBe(false)
    expect(split.seen.get('blocks.0.attn.hook_result')!.shape).toEqual([2, 4, config.n_heads, config.d_model])
    expect(largestError(a!, b!)).toBeLessThan(1e-10)
  })

  it('a position sees nothing later, and nothing beyond its window', () => {
    const config = toyConfig({ n_layers: 1, attn_windows: [2], attn_only: true })
    const { opened } = open(config)
    const logits = (prompt: number[]) => {
      const { forward, feeds } = recordingForward(opened, [prompt])
      return [...evaluate([traceModel(forward)], feeds)[0]!]
    }
    const [base, changedFirst] = [logits([1, 2, 3, 4]), logits([6, 2, 3, 4])]
    const at = (values: number[], position: number) => values.slice(position * 7, position * 7 + 7)
    expect(at(changedFirst, 1)).not.toEqual(at(base, 1))
    expect(at(changedFirst, 2)).toEqual(at(base, 2))
    expect(at(logits([1, 2, 3, 6]), 2)).toEqual(at(base, 2))
  })
})

/** Logits of one prompt, one loop per sum: attn(x) = softmax(q k / sqrt(dh)) v W_O, added to the embedding. */
function attentionOnly(
  config: ModelConfig,
  weights: ReadonlyMap<string, { readonly data: Float32Array }>,
  prompt: readonly number[],
): number[] {
  const { d_model: d, d_head: e, n_heads, d_vocab } = config
  const w = (name: string) => weights.get(name)!.data
  const short = config.positional_embedding_type === 'shortformer'
  const row = (values: ArrayLike<number>, i: number, n: number) =>
    Array.from({ length: n }, (_, j) => values[i * n + j]!)
  const add = (a: number[], b: number[]) => a.map((value, i) => value + b[i]!)
  const times = (x: number[], matrix: (i: number, j: number) => number, n: number) =>
    Array.from({ length: n }, (_, j) => x.reduce((sum, value, i) => sum + value * matrix(i, j), 0))
  const embedded = prompt.map((token) => row(w('embed.W_E'), token, d))
  const placed = embedded.map((x, p) => add(x, row(w('pos_embed.W_pos'), p, d)))
  const stream = short ? embedded : placed
  const written = stream.map((x) => [...x])
  for (let h = 0; h < n_heads; h++) {
    const head = (name: string) => (i: number, j: number) => w(`blocks.0.attn.${name}`)[(h * d + i) * e + j]!
    const q = placed.map((x) => times(x, head('W_Q'), e))
    const k = placed.map((x) => times(x, head('W_K'), e))
    const v = stream.map((x) => times(x, head('W_V'), e))
    for (let p = 0; p < prompt.length; p++) {
      const weightsOf = k
        .slice(0, p + 1)
        .map((key) => Math.exp(key.reduce((s, value, i) => s + value * q[p]![i]!, 0) / Math.sqrt(e)))
      const total = weightsOf.reduce((a, b) => a + b)
      const z = Array.from({ length: e }, (_, i) =>
        weightsOf.reduce((s, weight, t) => s + (weight / total) * v[t]![i]!, 0),
      )
      written[p] = add(
        written[p]!,
        times(z, (i, j) => w('blocks.0.attn.W_O')[(h * e + i) * d + j]!, d),
      )
    }
  }
  return written.flatMap((x) => times(x, (i, j) => w('unembed.W_U')[i * d_vocab + j]!, d_vocab))
}
