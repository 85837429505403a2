import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { batchLayout } from '../../lab/layouts/batch.ts'
import { tappedForward } from '../../lab/tapped-forward.ts'
import type { ModelConfig } from '../../models/index.ts'
import { mlpOut, neurons } from '../../models/parts/mlp.ts'
import { norm } from '../../models/parts/norm.ts'
import { rotaryTables, rotate } from '../../models/parts/rotary.ts'
import { concat, constant, einsum, layerNorm, rmsNorm, type Tensor, tensor } from '../../tensor/index.ts'
import { readingColumns } from '../heads/copying.ts'
import { perHead } from '../shared/per-head.ts'

/** What stands for a token in the stream: its embedding, or that with what MLP 0 makes of it. */
export const CIRCUIT_EMBEDDINGS = ['direct', 'mlp0'] as const
/** One of `CIRCUIT_EMBEDDINGS`. */
export type CircuitEmbedding = (typeof CIRCUIT_EMBEDDINGS)[number]

/** Every token as heads read it, and what sums over the vocabulary need of it: computed once for all heads. */
export interface TokenReadings {
  /** [V, d + 1]: standardised as norms do before their own weights, and a 1 that meets the biases. */
  readonly tokens: Tensor
  /** tokens' tokens, [d + 1, d + 1] in doubles. */
  readonly gram: Tensor
  /** The same of tokens less their mean. */
  readonly centredGram: Tensor
  /** [1, d + 1] */
  readonly mean: Tensor
}

/** Rows of the vocabulary that go through MLP 0 at once. */
const CHUNK = 4096

/** Reads all tokens of the vocabulary. */
export async function tokenReadings(
  model: Model,
  embedding: CircuitEmbedding,
  work: WorkOptions,
): Promise<TokenReadings> {
  const { config, weights } = model
  const { d_vocab } = config
  const table = weights.tensor('embed.W_E').mul(constant(config.embed_scale))
  const chunks = Array.from({ length: Math.ceil(d_vocab / CHUNK) }, (_, i) => {
    const rows = table.slice(0, i * CHUNK, Math.min((i + 1) * CHUNK, d_vocab))
    const stream = embedding === 'mlp0' && !config.attn_only ? rows.add(firstMlp(model, rows)) : rows
    return standardized(config, stream)
  })
  const traced = concat([concat(chunks, 0), constant(1).broadcast(d_vocab, 1)], 1)
  const mean = traced.mean(0, true)
  // In doubles: singular values are roots of what comes of this.
  const gram = (x: Tensor) => einsum('vc,vd->cd', x.cast('float64'), x.cast('float64'))
  const outputs = [traced, gram(traced), gram(traced.sub(mean)), mean]
  const values = await model.engine.evaluate(outputs, {}, { weights: weights.stored, signal: work.signal })
  const [tokens, whole, centred, middle] = values.map(({ data, shape }) =>
    tensor(data as Float32Array | Float64Array, [...shape]),
  )
  return { tokens: tokens!, gram: whole!, centredGram: centred!, mean: middle! }
}

/** What MLP 0 writes for streams that hold a token alone, [n, d]; attention 0 is left out. */
function firstMlp(model: Model, rows: Tensor): Tensor {
  const { config, weights } = model
  const forward = tappedForward(config, weights, batchLayout(config, [[0]]), { hook: (_, x) => x, wants: () => false })
  const read = norm(forward, config.shared_norm ? 'blocks.0.ln1' : 'blocks.0.ln2', rows)
  const written = mlpOut(forward, 0, neurons(forward, 0, read))
  return config.post_norms ? norm(forward, 'blocks.0.ln2_post', written) : written
}

function standardized({ normalization_type, eps }: ModelConfig, x: Tensor): Tensor {
  if (normalization_type === null) return x
  return (normalization_type.startsWith('LN') ? layerNorm : rmsNorm)(x, eps).normalized
}

/** A layer's heads, [H, ...], as the checkpoint has them, and as they read `TokenReadings.tokens`. */
export interface LayerHeads {
  /** [H, d, e] */
  readonly q: Tensor
  readonly k: Tensor
  readonly v: Tensor
  /** [H, e, d] */
  readonly o: Tensor
  /** [H, d + 1, e], norm weights and biases included; queries stand `distance` positions behind keys. */
  readonly queries: Tensor
  readonly keys: Tensor
  /** Without biases, which are written whatever is read. */
  readonly values: Tensor
  /** [H, e, V]: the logits of what is written, each less the vocabulary's mean, through the final norm's weights. */
  readonly logits: Tensor
}

/** A layer's heads, traced. Attention scores are scaled as the model scales them, in the queries. */
export function layerHeads({ config, weights }: Model, layer: number, distance: number): LayerHeads {
  const name = (suffix: string) => `blocks.${layer}.${suffix}`
  const grouped = (x: Tensor) => perHead(config, x, 0)
  const weight = (letter: string) => grouped(weights.tensor(name(`attn.W_${letter}`)))
  const optional = (full: string) => (weights.has(full) ? weights.tensor(full) : undefined)
  const scale = optional(name('ln1.w'))?.add(constant(config.norm_weight_offset)).unsqueeze(1)
  const shift = optional(name('ln1.b'))
  const reading = (x: Tensor, letter: string, biased: boolean) => {
    const bias = [
      ...(biased && shift ? [einsum('d,hde->he', shift, x)] : []),
      ...(biased && weights.has(name(`attn.b_${letter}`)) ? [grouped(weights.tensor(name(`attn.b_${letter}`)))] : []),
    ]
    const [heads, , size] = x.shape as [number, number, number]
    const last = bias.length === 0 ? constant(0).broadcast(heads, size) : bias.reduce((a, b) => a.add(b))
    return concat([scale ? x.mul(scale) : x, last.unsqueeze(1)], 1)
  }
  const [q, k, v] = [weight('Q'), weight('K'), weight('V')]
  const o = weights.tensor(name('attn.W_O'))
  const columns = readingColumns({ weight: (n) => weights.tensor(n), hasWeight: (n) => weights.has(n) }, config, layer)
  return {
    q,
    k,
    v,
    o,
    queries: turned(config, reading(q, 'Q', true), distance).mul(constant(config.attn_scales[layer]!)),
    keys: reading(k, 'K', true),
    values: reading(v, 'V', false),
    logits: einsum('hed,dv->hev', o, columns.sub(columns.mean(1, true))),
  }
}

/** Queries [H, d + 1, e] as rotary positions turn them `distance` positions behind their keys. */
function turned(config: ModelConfig, queries: Tensor, distance: number): Tensor {
  if (config.positional_embedding_type !== 'rotary' || distance === 0) return queries
  const { cos, sin } = rotaryTables(config, [distance])
  const shape = [1, 1, config.rotary_dim / 2]
  const rows = rotate(queries.transpose(1, 0, 2), { cos: tensor(cos, shape), sin: tensor(sin, shape) }, config)
  return rows.transpose(1, 0, 2)
}
