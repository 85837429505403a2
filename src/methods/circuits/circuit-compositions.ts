import type { Matrix } from 'ml-matrix'
import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { einsum, stack, type Tensor, tensor } from '../../tensor/index.ts'
import type { ProductFactors } from './circuit-factors.ts'
import { COMPOSITIONS, type Composition, compositionScores, type PairScores } from './composition.ts'
import { cosineNull, spectrumNull } from './composition-channels.ts'

/** How much of an earlier head's output a later head reads, as query, key or value. */
export interface HeadComposition {
  readonly from: { readonly layer: number; readonly head: number }
  readonly to: { readonly layer: number; readonly head: number }
  /** Frobenius ratio of the weights as they are, and its deviations from heads of the same spectra in random directions. */
  readonly raw: number
  readonly rawZ: number
  /** The same without the mean over d_model, where layer norms take it away; equal to `raw` elsewhere. */
  readonly centred: number
  readonly centredZ: number
  /** Largest |cosine| of a singular direction that is written and one that is read, and its deviations from random directions. */
  readonly channel: number
  readonly channelZ: number
  /** The share of what the later head reads on real runs that comes from the earlier (composition-in-use.ts); null where it is not known. */
  readonly used: number | null
}

/** A pair stands out from this many deviations on. */
export const STANDS_OUT = 5
/** From this share on of what a head reads, an earlier head is in use. */
export const IN_USE = 0.2

/** Circuits of one head in the residual stream, factored. */
export interface HeadFactors {
  readonly ov: ProductFactors
  readonly qk: ProductFactors
}

/** What compositions are computed from: [layer][head], of weights as they are and without the mean over d_model. */
export interface FactoredHeads {
  readonly raw: readonly (readonly HeadFactors[])[]
  readonly centred: readonly (readonly HeadFactors[])[]
  /** Per layer, centred where norms centre: q, k, v [H, d, e] and o [H, e, d]. */
  readonly weights: readonly { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor; readonly o: Tensor }[]
}

/** All pairs of an earlier and a later layer, by kind. */
export async function headCompositions(
  model: Model,
  { raw, centred, weights }: FactoredHeads,
  used: Readonly<Record<Composition, PairScores>> | null,
  { seed, signal }: { seed: number } & WorkOptions,
): Promise<Record<Composition, HeadComposition[]>> {
  const { n_layers, n_heads, d_model, d_head } = model.config
  const scores = await compositionScores(model, { seed, signal })
  const cosines = await channelCosines(model, centred, weights, signal)
  const chance = cosineNull(d_head, d_model, seed)
  const isCentred = centred !== raw
  const width = isCentred ? d_model - 1 : d_model
  const pairsOf = (kind: Composition): HeadComposition[] => {
    const z = (factors: FactoredHeads['raw'], d: number, score: number, [l, h, m, g]: readonly number[]) => {
      const later = factors[m!]![g!]!
      const { mean, deviation } = spectrumNull(
        factors[l!]![h!]!.ov.values,
        (kind === 'V' ? later.ov : later.qk).values,
        d,
      )
      return deviation === 0 ? 0 : (score * score - mean) / deviation
    }
    return places(n_layers, n_heads).map((place) => {
      const [l, h, m, g] = place
      const at = (grid: PairScores) => grid[l]![h]![m]![g]!
      const own = at(scores.scores[kind])
      const less = isCentred ? at(scores.centred[kind]) : own
      const channel = cosines[kind](place)
      return {
        from: { layer: l, head: h },
        to: { layer: m, head: g },
        raw: own,
        rawZ: z(raw, d_model, own, place),
        centred: less,
        centredZ: z(centred, width, less, place),
        channel,
        channelZ: (channel - chance.mean) / chance.deviation,
        used: used === null ? null : used[kind][l]![h]![m]![g]!,
      }
    })
  }
  return { Q: pairsOf('Q'), K: pairsOf('K'), V: pairsOf('V') }
}

type PairPlace = readonly [layer: number, head: number, laterLayer: number, laterHead: number]

function places(layers: number, heads: number): PairPlace[] {
  const result: PairPlace[] = []
  for (let m = 1; m < layers; m++)
    for (let l = 0; l < m; l++)
      for (let h = 0; h < heads; h++) for (let g = 0; g < heads; g++) result.push([l, h, m, g])
  return result
}

/** The largest |cosine| of every pair: singular directions of one layer's outputs against what another reads. */
async function channelCosines(
  model: Model,
  factors: FactoredHeads['centred'],
  weights: FactoredHeads['weights'],
  signal: AbortSignal | undefined,
): Promise<Record<Composition, (place: PairPlace) => number>> {
  const { n_heads } = model.config
  const directions = weights.map(({ q, k, v, o }, layer) => {
    const side = (pick: (head: HeadFactors) => Matrix) => {
      const heads = factors[layer]!.map((head) => pick(head).to1DArray())
      const size = Math.sqrt(heads[0]!.length)
      return tensor(Float32Array.from(heads.flat()), [heads.length, size, size])
    }
    return {
      written: einsum(
        'hef,hed->hfd',
        side(({ ov }) => ov.right),
        o,
      ),
      Q: einsum(
        'hde,hef->hfd',
        q,
        side(({ qk }) => qk.left),
      ),
      K: einsum(
        'hde,hef->hfd',
        k,
        side(({ qk }) => qk.right),
      ),
      V: einsum(
        'hde,hef->hfd',
        v,
        side(({ ov }) => ov.left),
      ),
    }
  })
  const values = new Map<string, Float32Array>()
  for (let later = 1; later < weights.length; later++)
    for (let earlier = 0; earlier < later; earlier++) {
      const largest = COMPOSITIONS.map((kind) =>
        einsum('hed,gfd->hgef', directions[earlier]!.written, directions[later]![kind]).abs().max([2, 3]),
      )
      const [result] = await model.engine.evaluate([stack(largest)], {}, { weights: model.weights.stored, signal })
      values.set(`${earlier} ${later}`, result!.data as Float32Array)
    }
  const of = (kind: number) => (place: PairPlace) =>
    Math.min(1, values.get(`${place[0]} ${place[2]}`)![(kind * n_heads + place[1]) * n_heads + place[3]]!)
  return { Q: of(0), K: of(1), V: of(2) }
}
