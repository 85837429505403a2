import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { einsum, stack, tensor } from '../../tensor/index.ts'
import { type Head, isAmong } from './circuit.ts'

/** Whether a model looks two tokens back, and matches two tokens rather than one. */
export interface LongerMatches {
  /** The mean attention of the heads before the induction heads' layer to the token two back. */
  readonly twoBack: readonly (Head & { readonly score: number })[]
  /**
   * Of the attention that induction heads give to followers of the current token's earlier occurrences, the share that goes
   * where the token before matches, too; over queries that have both kinds.
   */
  readonly twoTokenShare: number
}

/** The kinds of keys that are told apart, by their places in the readout. */
const KINDS = ['two back', 'one token matches', 'two tokens match'] as const

/** Measures both on texts of one length, means over the texts. */
export async function longerMatches(
  model: Model,
  induction: readonly Head[],
  texts: readonly (readonly number[])[],
  { signal }: WorkOptions = {},
): Promise<LongerMatches> {
  const { n_layers, n_heads } = model.config
  const hooks = Array.from({ length: n_layers }, (_, layer) => `blocks.${layer}.attn.hook_pattern`)
  const { readout } = await model.run(texts, {
    signal,
    positions: 'none',
    readout: {
      reads: hooks,
      trace({ activation, prompts }) {
        const length = texts[prompts[0]!]!.length
        const masks = new Float32Array(prompts.length * KINDS.length * length * length)
        prompts.forEach((prompt, row) => {
          masks.set(keysByKind(texts[prompt]!), row * KINDS.length * length * length)
        })
        const chosen = tensor(masks, [prompts.length, KINDS.length, length, length])
        // [n, H, Q, K] by [n, kinds, Q, K] -> [n, layers, kinds, H]
        return {
          sums: stack(
            hooks.map((hook) => einsum('nhqk,nsqk->nsh', activation(hook), chosen)),
            1,
          ),
        }
      },
    },
  })
  const sums = new Float64Array(n_layers * KINDS.length * n_heads)
  for (const { data } of readout.sums!) for (const i of sums.keys()) sums[i]! += Number(data[i])
  const sumOf = (layer: number, head: number, kind: number) => sums[(layer * KINDS.length + kind) * n_heads + head]!

  const heads = hooks.flatMap((_, layer) => Array.from({ length: n_heads }, (_, head) => ({ layer, head })))
  const firstInduction = Math.min(...induction.map(({ layer }) => layer))
  const queries = texts.reduce((sum, text) => sum + text.length - 2, 0)
  const shares = heads
    .filter((head) => isAmong(head, induction))
    .map(({ layer, head }) => sumOf(layer, head, 2) / (sumOf(layer, head, 1) + sumOf(layer, head, 2)))
  return {
    twoBack: heads
      .filter(({ layer }) => layer < firstInduction)
      .map(({ layer, head }) => ({ layer, head, score: sumOf(layer, head, 0) / queries })),
    twoTokenShare: shares.reduce((sum, share) => sum + share, 0) / shares.length,
  }
}

/** 1 where query q's key k is of a kind, as `KINDS` orders them: [kind, q, k]. */
export function keysByKind(text: readonly number[]): Float32Array {
  const length = text.length
  const keys = new Float32Array(KINDS.length * length * length)
  const mark = (kind: number, query: number, key: number) => {
    keys[(kind * length + query) * length + key] = 1
  }
  for (let query = 2; query < length; query++) {
    mark(0, query, query - 2)
    const followers = text.flatMap((token, at) => (at < query - 1 && token === text[query] ? [at + 1] : []))
    const isLong = (key: number) => key >= 2 && text[key - 2] === text[query - 1]
    if (!followers.some(isLong) || followers.every(isLong)) continue
    for (const key of followers) mark(isLong(key) ? 2 : 1, query, key)
  }
  return keys
}
