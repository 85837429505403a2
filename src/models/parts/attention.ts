import { constant, type Tensor } from '../../tensor/index.ts'
import type { Forward } from '../forward.ts'
import { addBias, contract } from './contract.ts'
import { softcap } from './embed.ts'
import { rotate } from './rotary.ts'

/** Keys and values as rows: each [R, K, Hk, dh]. */
export interface KeyValueRows {
  readonly k: Tensor
  readonly v: Tensor
}

/** Keys of `keyInput` and values of `valueInput`, both [...tokens, d], as the rows that queries will see. */
export function keysAndValues(forward: Forward, layer: number, keyInput: Tensor, valueInput: Tensor): KeyValueRows {
  const k = project(forward, layer, 'k', keyInput)
  const v = project(forward, layer, 'v', valueInput)
  return forward.keys(layer, rotated(forward, layer, 'k', k), v)
}

/** Attention of the queries of `queryInput` [...tokens, d] over the rows: every head's mixed values z, [...tokens, H, dh]. */
export function attend(forward: Forward, layer: number, queryInput: Tensor, { k, v }: KeyValueRows): Tensor {
  const { config } = forward
  const q = forward.queries(rotated(forward, layer, 'q', project(forward, layer, 'q', queryInput)))
  const [rows, queries, heads, size] = q.shape as [number, number, number, number]
  const [keys, groups] = [k.shape[1]!, k.shape[2]!]
  const perGroup = (heads / groups) * queries
  // The heads of a group share keys, so their queries lie below one another: [R, H, Q, dh] -> [R, Hk, H / Hk * Q, dh].
  const grouped = q.transpose(0, 2, 1, 3).reshape(rows, groups, perGroup, size)
  const products = grouped.matmul(k.transpose(0, 2, 3, 1)).reshape(rows, heads, queries, keys)
  const scaled = products.mul(constant(config.attn_scales[layer]!, q.dtype))
  const capped = config.attn_softcap === null ? scaled : softcap(scaled, config.attn_softcap)
  const scores = hookAttention(forward, layer, 'hook_attn_scores', capped.add(forward.mask(layer)))
  const pattern = hookAttention(forward, layer, 'hook_pattern', scores.softmax())
  // [R, Hk, H / Hk * Q, K] x [R, Hk, K, dh] -> [R, H, Q, dh] -> [R, Q, H, dh]
  const mixed = pattern.reshape(rows, groups, perGroup, keys).matmul(v.transpose(0, 2, 1, 3))
  return forward.fromRows(mixed.reshape(rows, heads, queries, size).transpose(0, 2, 1, 3))
}

/** What attention writes, [...tokens, d], from z [...tokens, H, dh]. */
export function attentionOut(forward: Forward, layer: number, z: Tensor): Tensor {
  const weight = forward.weight(`blocks.${layer}.attn.W_O`)
  const result = `blocks.${layer}.attn.hook_result`
  // Every head's own contribution [...tokens, H, d] is H times larger than their sum: traced only when asked for.
  const sum = forward.wants(result)
    ? forward.hook(result, contract(z, 'he', weight, 'hed', 'hd')).sum(-2)
    : contract(z, 'he', weight, 'hed', 'd')
  return addBias(forward, sum, `blocks.${layer}.attn.b_O`)
}

function project(forward: Forward, layer: number, what: 'q' | 'k' | 'v', x: Tensor): Tensor {
  const letter = what.toUpperCase()
  const product = contract(x, 'd', forward.weight(`blocks.${layer}.attn.W_${letter}`), 'hde', 'he')
  return hookAttention(forward, layer, `hook_${what}`, addBias(forward, product, `blocks.${layer}.attn.b_${letter}`))
}

function rotated(forward: Forward, layer: number, what: 'q' | 'k', x: Tensor): Tensor {
  if (forward.config.positional_embedding_type !== 'rotary') return x
  return hookAttention(forward, layer, `hook_rot_${what}`, rotate(x, forward.rotary(layer), forward.config))
}

function hookAttention(forward: Forward, layer: number, hook: string, x: Tensor): Tensor {
  return forward.hook(`blocks.${layer}.attn.${hook}`, x)
}
