import { DiopterError } from '../../errors/index.ts'

/** A head, an MLP layer or a neuron, by the name that pictures give it: `L0H1`, `L0MLP`, `L0N5`. */
export type Part = `L${number}H${number}` | `L${number}MLP` | `L${number}N${number}`

/** How a receiver reads: as a head's query, key or value, or as the input of an MLP or of the unembedding. */
export type Via = 'q' | 'k' | 'v' | 'in'

/** What one part passes straight to another through the residual stream. `embed` is token and position embeddings. */
export interface Edge {
  readonly from: Part | 'embed'
  readonly to: Part | 'logits'
  readonly via: Via
}

/** Where a part's activation can be edited, in the terms of an edit's region. */
export interface PartPlace {
  readonly hook: string
  readonly heads?: readonly number[]
  readonly neurons?: readonly number[]
}

/** The layer, kind and number of a part. Throws for names of no part. */
export function parsePart(part: string): { layer: number; kind: 'head' | 'mlp' | 'neuron'; index: number } {
  const [, layer, kind, index] = /^L(\d+)(H|N|MLP)(\d*)$/.exec(part) ?? []
  if (layer === undefined || (kind === 'MLP') !== (index === ''))
    throw new DiopterError(`'${part}' names no part of a model; parts are called L0H1 (head), L0MLP or L0N5 (neuron).`)
  return {
    layer: Number(layer),
    kind: kind === 'H' ? 'head' : kind === 'N' ? 'neuron' : 'mlp',
    index: Number(index),
  }
}

/** The hook, and the heads or neurons in it, that hold a part: what ablating or patching the part replaces. */
export function partPlace(part: Part): PartPlace {
  const { layer, kind, index } = parsePart(part)
  if (kind === 'head') return { hook: `blocks.${layer}.attn.hook_z`, heads: [index] }
  if (kind === 'mlp') return { hook: `blocks.${layer}.hook_mlp_out` }
  return { hook: `blocks.${layer}.mlp.hook_post`, neurons: [index] }
}

/** An edge as one word, for maps and comparisons: `L0H1->L1H0.k`. */
export function edgeName({ from, to, via }: Edge): string {
  return `${from}->${to}.${via}`
}
