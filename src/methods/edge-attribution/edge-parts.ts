import { DiopterError, nearMatches } from '../../errors/index.ts'
import type { ModelConfig } from '../../models/index.ts'

// The ends of edges: what writes to the residual stream, and what reads it.

/** What writes to the residual stream: the token embedding, a head, or an MLP layer. */
export interface Sender {
  /** `embed`, `L0H1` or `L0MLP`. */
  readonly name: string
  readonly kind: 'embed' | 'head' | 'mlp'
  /** -1 for the embedding. */
  readonly layer: number
  /** Of a head. */
  readonly head?: number
  /** Where it writes: it can reach receivers of a larger depth. */
  readonly depth: number
}

/** How a receiver reads: as a head's query, key or value, or as the input of an MLP or of the unembedding. */
export type ReadAs = 'q' | 'k' | 'v' | 'in'

/** What reads the residual stream: a head's query, key or value, the input of an MLP layer, or the logits. */
export interface Receiver {
  /** `L1H0.q`, `L1KV0.k` (keys that several heads share), `L1MLP` or `logits`. */
  readonly name: string
  readonly as: ReadAs
  /** The number of layers for the logits. */
  readonly layer: number
  /** Of a head's query, key or value. */
  readonly head?: number
  /** Where its linear reading of the (normalised) stream is; none for the logits. */
  readonly hooks: readonly string[]
  readonly depth: number
}

/** All senders of a model, in the order of the forward pass. */
export function allSenders({ n_layers, n_heads, attn_only }: ModelConfig): Sender[] {
  const embed: Sender = { name: 'embed', kind: 'embed', layer: -1, depth: -1 }
  const layers = Array.from({ length: n_layers }, (_, layer): Sender[] => [
    ...Array.from({ length: n_heads }, (_, head): Sender => {
      return { name: `L${layer}H${head}`, kind: 'head', layer, head, depth: 2 * layer }
    }),
    ...(attn_only ? [] : [{ name: `L${layer}MLP`, kind: 'mlp' as const, layer, depth: 2 * layer + 1 }]),
  ])
  return [embed, ...layers.flat()]
}

/** All receivers of a model, in the order of the forward pass; the logits come last. */
export function allReceivers(config: ModelConfig): Receiver[] {
  const { n_layers, n_heads, n_key_value_heads, attn_only, gated_mlp, parallel_attn_mlp } = config
  const layers = Array.from({ length: n_layers }, (_, layer): Receiver[] => {
    const read = (as: 'q' | 'k' | 'v', heads: number): Receiver[] =>
      Array.from({ length: heads }, (_, head) => ({
        name: `L${layer}${heads === n_heads ? 'H' : 'KV'}${head}.${as}`,
        as,
        layer,
        head,
        hooks: [`blocks.${layer}.attn.hook_${as}`],
        depth: 2 * layer,
      }))
    const halves = gated_mlp ? ['hook_pre', 'hook_pre_linear'] : ['hook_pre']
    const mlp: Receiver = {
      name: `L${layer}MLP`,
      as: 'in',
      layer,
      hooks: halves.map((hook) => `blocks.${layer}.mlp.${hook}`),
      // The MLP of a parallel block does not see the heads beside it.
      depth: 2 * layer + (parallel_attn_mlp ? 0 : 1),
    }
    const heads = [...read('q', n_heads), ...read('k', n_key_value_heads), ...read('v', n_key_value_heads)]
    return [...heads, ...(attn_only ? [] : [mlp])]
  })
  const logits: Receiver = { name: 'logits', as: 'in', layer: n_layers, hooks: [], depth: Number.POSITIVE_INFINITY }
  return [...layers.flat(), logits]
}

/**
 * Senders by name: `all`, `embed`, `heads`, `mlps`, or single ones such as `L0H1` and `L0MLP`; in the order of the forward
 * pass. Throws for a name that selects nothing.
 */
export function sendersNamed(config: ModelConfig, names: readonly string[]): Sender[] {
  return chosen('sender', names, allSenders(config), (name, { kind }) => {
    return name === 'all' || (name === 'heads' && kind === 'head') || (name === 'mlps' && kind === 'mlp')
  })
}

/**
 * Receivers by name: `all`, `logits`, `heads` (all queries, keys and values), `q`, `k`, `v`, `mlps`, or single ones such as
 * `L1H0` (what it reads in all ways), `L1H0.q` and `L1MLP`; in the order of the forward pass. Throws for a name that selects nothing.
 */
export function receiversNamed(config: ModelConfig, names: readonly string[]): Receiver[] {
  return chosen('receiver', names, allReceivers(config), (name, receiver) => {
    const isHead = receiver.as !== 'in'
    const inGroup = isHead ? name === 'heads' || name === receiver.as : name === 'mlps' && receiver.hooks.length > 0
    return name === 'all' || inGroup || receiver.name.startsWith(`${name}.`)
  })
}

function chosen<T extends { readonly name: string }>(
  what: string,
  names: readonly string[],
  list: readonly T[],
  isIn: (name: string, item: T) => boolean,
): T[] {
  const picked = new Set<T>()
  for (const name of names) {
    const found = list.filter((item) => item.name === name || isIn(name, item))
    if (found.length === 0)
      throw new DiopterError(
        `This model has no ${what} '${name}'. Near: ${nearMatches(
          name,
          list.map((item) => item.name),
        ).join(', ')}; groups: ${what === 'sender' ? 'all, heads, mlps' : 'all, heads, q, k, v, mlps'}.`,
      )
    for (const item of found) picked.add(item)
  }
  return list.filter((item) => picked.has(item))
}

/** Whether the sender writes before the receiver reads. */
export function reaches(sender: Sender, receiver: Receiver): boolean {
  return sender.depth < receiver.depth
}

/** Where a sender's output is: the embedding, the head's mixed values z, or what the MLP writes. */
export function senderHook({ kind, layer }: Sender): string {
  if (kind === 'embed') return 'hook_embed'
  return kind === 'head' ? `blocks.${layer}.attn.hook_z` : `blocks.${layer}.hook_mlp_out`
}

/** The hooks of all senders of a model. */
export function senderHooks(config: ModelConfig): string[] {
  return [...new Set(allSenders(config).map(senderHook))]
}
