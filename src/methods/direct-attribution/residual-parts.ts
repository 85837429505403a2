import type { Edit, ReadoutContext } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { einsum, full, type Tensor } from '../../tensor/index.ts'
import { frozenNorm, frozenNormReads } from './frozen-norm.ts'

/**
 * How the residual stream is taken apart: `accumulated` the stream itself at every depth; `component` the embeddings and
 * what every attention and MLP layer wrote; `head` what every head wrote, and the rest; `full` heads, MLP layers, embeddings
 * and attention biases; `neuron` heads, single neurons, embeddings and all biases.
 */
export const DECOMPOSITIONS = ['accumulated', 'component', 'head', 'full', 'neuron'] as const
/** One of `DECOMPOSITIONS`. */
export type Decomposition = (typeof DECOMPOSITIONS)[number]

/** Some parts of the residual stream at one position, as the run's graph computes them. */
export interface Piece {
  readonly labels: readonly string[]
  readonly reads: readonly string[]
  /** The parts themselves, [n, c, d]; `only` picks some. */
  readonly vectors: (context: ReadoutContext, only?: readonly number[]) => Tensor
  /** Their products with a direction [n, d]: [n, c]. By way of the vectors where that is not too large. */
  readonly products?: (context: ReadoutContext, direction: Tensor) => Tensor
  /** The edit that removes one part where it is written; absent for parts without a place of their own. */
  readonly removal?: (index: number) => Edit
}

/** The pieces of a decomposition at `position` (-1 the last), in the order of their labels. */
export function residualPieces(config: ModelConfig, by: Decomposition, position: number): Piece[] {
  const layers = Array.from({ length: config.n_layers }, (_, l) => l)
  const hook = (name: string, label: string) => hookPiece(name, label, position)
  const last = `blocks.${config.n_layers - 1}.hook_resid_post`
  if (by === 'accumulated') {
    const hasMiddle = !config.attn_only && !config.parallel_attn_mlp
    const within = layers.flatMap((l) => [
      hook(`blocks.${l}.hook_resid_pre`, `${l}_pre`),
      ...(hasMiddle ? [hook(`blocks.${l}.hook_resid_mid`, `${l}_mid`)] : []),
    ])
    // States of the stream, not parts of a sum: none can be removed by itself.
    return [...within, hook(last, 'final_post')].map(({ removal: _, ...state }) => state)
  }
  const embeddings = [
    hook('hook_embed', 'embed'),
    ...(config.positional_embedding_type === 'standard' ? [hook('hook_pos_embed', 'pos_embed')] : []),
  ]
  if (by === 'component') {
    const written = layers.flatMap((l) => [
      hook(`blocks.${l}.hook_attn_out`, `${l}_attn_out`),
      ...(config.attn_only ? [] : [hook(`blocks.${l}.hook_mlp_out`, `${l}_mlp_out`)]),
    ])
    return [...embeddings, ...written]
  }
  const heads = layers.map((l) => headsPiece(config, l, position))
  if (by === 'head') return [...heads, remainderPiece(heads, last, position)]
  if (by === 'full') {
    const mlps = config.attn_only ? [] : layers.map((l) => hook(`blocks.${l}.hook_mlp_out`, `${l}_mlp_out`))
    return [...heads, ...mlps, ...embeddings, biasPiece(config, ['attn'], position)]
  }
  const neurons = config.attn_only ? [] : layers.map((l) => neuronsPiece(config, l, position))
  return [
    ...heads,
    ...neurons,
    ...embeddings,
    biasPiece(config, config.attn_only ? ['attn'] : ['attn', 'mlp'], position),
  ]
}

/** The activation of one hook as a single part. */
function hookPiece(name: string, label: string, position: number): Piece {
  return {
    labels: [label],
    reads: [name],
    vectors: ({ activation }) => activation(name).get(':', position).unsqueeze(1),
    removal: () => ({ hook: name, kind: 'zero', positions: [position] }),
  }
}

/** What every head of a layer wrote: z W_O, through the norm after attention (its scale frozen) where there is one. */
function headsPiece(config: ModelConfig, layer: number, position: number): Piece {
  const name = `blocks.${layer}.attn.hook_z`
  const after = `blocks.${layer}.ln1_post`
  const z = ({ activation }: ReadoutContext) => activation(name).get(':', position) // [n, H, dh]
  return {
    labels: Array.from({ length: config.n_heads }, (_, h) => `L${layer}H${h}`),
    reads: [name, ...(config.post_norms ? frozenNormReads(config, after) : [])],
    vectors(context, only) {
      const written = einsum('nhe,hed->nhd', z(context), context.weight(`blocks.${layer}.attn.W_O`))
      const chosen = only ? written.get(':', only) : written
      return config.post_norms ? throughNorm(context, config, after, chosen, position) : chosen
    },
    products(context, direction) {
      const before = config.post_norms ? backThroughNorm(context, config, after, direction, position) : direction
      const byHead = einsum('nd,hed->nhe', before, context.weight(`blocks.${layer}.attn.W_O`))
      return z(context).mul(byHead).sum(-1)
    },
    removal: (head) => ({ hook: name, kind: 'zero', heads: [head], positions: [position] }),
  }
}

/** What every neuron of a layer wrote: its activation times its row of W_out. */
function neuronsPiece(config: ModelConfig, layer: number, position: number): Piece {
  const name = `blocks.${layer}.mlp.hook_post`
  const after = `blocks.${layer}.ln2_post`
  const post = ({ activation }: ReadoutContext) => activation(name).get(':', position) // [n, m]
  return {
    labels: Array.from({ length: config.d_mlp }, (_, m) => `L${layer}N${m}`),
    reads: [name, ...(config.post_norms ? frozenNormReads(config, after) : [])],
    vectors(context, only = Array.from({ length: config.d_mlp }, (_, m) => m)) {
      const rows = context.weight(`blocks.${layer}.mlp.W_out`).get(only) // [c, d]
      const written = post(context).get(':', only).unsqueeze(-1).mul(rows)
      return config.post_norms ? throughNorm(context, config, after, written, position) : written
    },
    products(context, direction) {
      const before = config.post_norms ? backThroughNorm(context, config, after, direction, position) : direction
      return post(context).mul(einsum('nd,md->nm', before, context.weight(`blocks.${layer}.mlp.W_out`)))
    },
    removal: (neuron) => ({ hook: name, kind: 'zero', neurons: [neuron], positions: [position] }),
  }
}

/** What of the stream `hook` the other pieces leave. */
function remainderPiece(pieces: readonly Piece[], hook: string, position: number): Piece {
  return {
    labels: ['remainder'],
    reads: [hook],
    vectors: (context) =>
      pieces.reduce(
        (rest, piece) => rest.sub(piece.vectors(context).sum(1, true)),
        context.activation(hook).get(':', position).unsqueeze(1),
      ),
  }
}

/** The sum of the biases that attention (and MLP) layers write at every position. */
function biasPiece(config: ModelConfig, parts: readonly ('attn' | 'mlp')[], position: number): Piece {
  const sources = Array.from({ length: config.n_layers }, (_, l) => l).flatMap((l) =>
    parts.map((part) => ({
      bias: part === 'attn' ? `blocks.${l}.attn.b_O` : `blocks.${l}.mlp.b_out`,
      after: part === 'attn' ? `blocks.${l}.ln1_post` : `blocks.${l}.ln2_post`,
    })),
  )
  return {
    labels: ['bias'],
    reads: ['hook_embed', ...(config.post_norms ? sources.flatMap(({ after }) => frozenNormReads(config, after)) : [])],
    vectors(context) {
      const zeros = full([context.prompts.length, 1, config.d_model], 0)
      let sum = zeros
      for (const { bias, after } of sources) {
        if (context.hasWeight(bias)) {
          const written = zeros.add(context.weight(bias))
          sum = sum.add(config.post_norms ? throughNorm(context, config, after, written, position) : written)
        }
        if (config.post_norms && context.hasWeight(`${after}.b`)) sum = sum.add(context.weight(`${after}.b`))
      }
      return sum
    },
  }
}

function throughNorm(context: ReadoutContext, config: ModelConfig, name: string, x: Tensor, position: number): Tensor {
  const norm = frozenNorm(context, config, name, position)
  return norm ? norm.weigh(norm.normalize(x)) : x
}

function backThroughNorm(
  context: ReadoutContext,
  config: ModelConfig,
  name: string,
  direction: Tensor,
  position: number,
): Tensor {
  return frozenNorm(context, config, name, position)?.pullBack(direction) ?? direction
}

/** The hooks that pieces look at. */
export function readsOf(pieces: readonly Piece[]): string[] {
  return pieces.flatMap(({ reads }) => reads)
}
