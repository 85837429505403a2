/**
 * Composition from weights: which earlier head's output does a later head read, as query, key or value?
 *
 * With every head's OV = W_V W_O and QK = W_Q W_K^T, all [d, d] of rank d_head (Elhage et al. 2021):
 *
 *     Q: ||OV1 QK2||        K: ||OV1 QK2^T||        V: ||OV1 OV2||      each / (||OV1|| ||QK2 or OV2||)
 *
 * in Frobenius norms, computed from d_head x d_head matrices. `centred` takes the mean over d_model away where the later head
 * reads the earlier: what a layer norm removes, and the commonest false positive.
 *
 * The null is the same ratio for independent Gaussian heads of the same shape: about 1 / sqrt(d_model) whatever the rank.
 *
 * How it misleads: the norm averages over all d_head directions, so that a channel of one direction that carries 10 % of
 * the norm cannot be told from chance; most pairs of trained heads lie below random. Norm weights that are not folded,
 * biases, MLPs between, rotary positions and the data play no part.
 */

import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import { constant, einsum, stack, type Tensor, tensor } from '../../tensor/index.ts'
import { perHead } from '../shared/per-head.ts'
import { mean } from '../shared/statistics.ts'

/** How a later head may read an earlier one. */
export const COMPOSITIONS = ['Q', 'K', 'V'] as const
/** One of `COMPOSITIONS`. */
export type Composition = (typeof COMPOSITIONS)[number]

/** Ratios of every pair, [earlier layer][head][later layer][head]; 0 where the later layer does not come later. */
export type PairScores = readonly (readonly (readonly (readonly number[])[])[])[]

/** A pair of heads with its score. */
export interface ComposedPair {
  readonly from: { readonly layer: number; readonly head: number }
  readonly to: { readonly layer: number; readonly head: number }
  readonly score: number
  /** In standard deviations of random heads, from their mean. */
  readonly z: number
}

/** Composition between all heads of a model. */
export interface CompositionScores {
  readonly scores: Readonly<Record<Composition, PairScores>>
  readonly centred: Readonly<Record<Composition, PairScores>>
  /** Random heads of the same shape. */
  readonly random: Readonly<Record<Composition, { readonly mean: number; readonly deviation: number }>>
}

/** Heads of one layer: queries, keys and values [H, d, e], outputs [H, e, d]. */
interface HeadWeights {
  readonly q: Tensor
  readonly k: Tensor
  readonly v: Tensor
  readonly o: Tensor
}

/** Random heads per side: 144 pairs. */
const RANDOM_HEADS = 12

/** Q-, K- and V-composition of every pair of heads, with the null. Weights are taken as the model was opened. */
export async function compositionScores(
  model: Model,
  { seed = 0, signal }: { readonly seed?: number } & WorkOptions = {},
): Promise<CompositionScores> {
  const { n_layers, n_heads, d_model, d_head } = model.config
  const layers = Array.from({ length: n_layers }, (_, layer) => headWeights(model, layer))
  const random = [0, 1].map((side) => randomHeads(side, seed, d_model, d_head))
  const pairs = layers.flatMap((_, to) => Array.from({ length: to }, (_, from) => [from, to] as const))
  const outputs = [
    ...pairs.flatMap(([from, to]) => [
      traceRatios(layers[from]!, layers[to]!),
      traceRatios(centredHeads(layers[from]!), centredHeads(layers[to]!)),
    ]),
    traceRatios(random[0]!, random[1]!),
  ]
  const program = model.engine.compile(outputs, { weights: model.weights.stored })
  const results = await program.run({}, { signal }).finally(() => program.release())
  const values = results.map(({ data }) => Array.from(data as Float32Array, Number))
  const drawn = values[outputs.length - 1]!
  const collect = (offset: number) =>
    byComposition((c) =>
      layers.map((_, from) =>
        Array.from({ length: n_heads }, (_, h) =>
          layers.map((_, to) => {
            const pair = pairs.findIndex(([a, b]) => a === from && b === to)
            const at = (c * n_heads + h) * n_heads
            return pair < 0 ? new Array<number>(n_heads).fill(0) : values[2 * pair + offset]!.slice(at, at + n_heads)
          }),
        ),
      ),
    )
  return {
    scores: collect(0),
    centred: collect(1),
    random: byComposition((c) => {
      const own = drawn.slice(c * RANDOM_HEADS ** 2, (c + 1) * RANDOM_HEADS ** 2)
      const middle = mean(own)
      return { mean: middle, deviation: Math.sqrt(mean(own.map((x) => (x - middle) ** 2))) }
    }),
  }
}

/** The pairs of one kind by falling score. */
export function rankPairs(
  { scores, centred, random }: CompositionScores,
  kind: Composition,
  isCentred = false,
): ComposedPair[] {
  const { mean: middle, deviation } = random[kind]
  return (isCentred ? centred : scores)[kind]
    .flatMap((heads, from) =>
      heads.flatMap((later, h) =>
        later.flatMap((row, to) =>
          row.map((score, g) => ({
            from: { layer: from, head: h },
            to: { layer: to, head: g },
            score,
            z: (score - middle) / deviation,
          })),
        ),
      ),
    )
    .filter(({ from, to }) => from.layer < to.layer)
    .sort((a, b) => b.score - a.score)
}

const byComposition = <T>(make: (index: number) => T): Record<Composition, T> => ({
  Q: make(0),
  K: make(1),
  V: make(2),
})

function headWeights({ weights, config }: Model, layer: number): HeadWeights {
  const weight = (letter: string) => weights.tensor(`blocks.${layer}.attn.W_${letter}`)
  const grouped = (x: Tensor) => perHead(config, x, 0)
  return { q: weight('Q'), k: grouped(weight('K')), v: grouped(weight('V')), o: weight('O') }
}

function randomHeads(side: number, seed: number, d_model: number, d_head: number): HeadWeights {
  const random = randomSource(seed, 'random heads', side)
  const draw = (...shape: number[]) =>
    tensor(
      Float32Array.from({ length: RANDOM_HEADS * d_model * d_head }, () => random.normal()),
      shape,
    )
  const inward = () => draw(RANDOM_HEADS, d_model, d_head)
  return { q: inward(), k: inward(), v: inward(), o: draw(RANDOM_HEADS, d_head, d_model) }
}

/** Without the mean over d_model on every side on which heads read or write. */
function centredHeads({ q, k, v, o }: HeadWeights): HeadWeights {
  const inward = (x: Tensor) => x.sub(x.mean(1, true))
  return { q: inward(q), k: inward(k), v: inward(v), o: o.sub(o.mean(2, true)) }
}

/** [3, H1, H2]: the ratios of all pairs of an earlier and a later layer. */
function traceRatios(earlier: HeadWeights, later: HeadWeights): Tensor {
  const inner = (x: Tensor) => einsum('hde,hdf->hef', x, x)
  const [values, written] = [inner(earlier.v), einsum('hed,hfd->hef', earlier.o, earlier.o)]
  const [queries, keys] = [inner(later.q), inner(later.k)]
  const [laterValues, laterWritten] = [inner(later.v), einsum('hed,hfd->hef', later.o, later.o)]
  // ||A B|| of A = W W' with inner products of W's columns and of W' rows: their product's trace.
  const size = (a: Tensor, b: Tensor) => a.mul(b).sum([1, 2])
  const [ov, qk] = [size(values, written), size(queries, keys)]
  /** ||OV1 R|| for R = (d x e reading) (e x d other): the square root of trace(VV X OO X'). */
  const ratio = (reading: Tensor, other: Tensor, norm: Tensor) => {
    const x = einsum('hed,gdf->hgef', earlier.o, reading)
    const left = einsum('hab,hgbf->hgaf', values, x)
    const right = einsum('hgaf,gfc->hgac', x, other)
    return left
      .mul(right)
      .sum([2, 3])
      .div(ov.unsqueeze(1).mul(norm.unsqueeze(0)))
      .maximum(constant(0))
      .sqrt()
  }
  return stack([
    ratio(later.q, keys, qk),
    ratio(later.k, queries, qk),
    ratio(later.v, laterWritten, size(laterValues, laterWritten)),
  ])
}
