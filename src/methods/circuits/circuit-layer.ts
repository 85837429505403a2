import type { Model } from '../../lab/index.ts'
import { einsum, type Tensor, tensor } from '../../tensor/index.ts'
import { type NamedToken, withText } from '../shared/question.ts'
import { correlation } from '../shared/statistics.ts'
import { eigenvalues, factorProduct, type ProductFactors } from './circuit-factors.ts'
import { type LayerHeads, layerHeads, type TokenReadings } from './circuit-weights.ts'

/** A token with its entry in a unit vector over the vocabulary. */
export interface WeightedToken extends NamedToken {
  readonly weight: number
}

/** The ends of one side of a singular direction. */
export interface DirectionEnds {
  readonly positive: readonly WeightedToken[]
  readonly negative: readonly WeightedToken[]
}

/** One singular direction: what is positive on one side goes with what is positive on the other. */
export interface CircuitDirection {
  readonly value: number
  /** OV: tokens that are read. QK: tokens that ask. */
  readonly reads: DirectionEnds
  /** OV: tokens that are raised. QK: tokens that are attended to. */
  readonly writes: DirectionEnds
}

/** One circuit of a head. */
export interface HeadCircuit {
  /** Of the weights alone, [d, d], largest first. */
  readonly singularValues: readonly number[]
  /** Of the full circuit, [V, V], largest first. */
  readonly fullSingularValues: readonly number[]
  readonly directions: readonly CircuitDirection[]
  /** [token read or asking][token raised or attended to], of the given tokens. */
  readonly pairs: readonly (readonly number[])[]
}

/** A circuit of tokens this much smaller than its weights is rounding. */
const ROUNDING = 1e-4

/** Whether anything of a head's output reaches the logits by itself, for one token that it reads at least: else a copying score is one of rounding. */
export function writesToLogits({ fullSingularValues, singularValues }: HeadCircuit): boolean {
  return fullSingularValues[0]! > ROUNDING * singularValues[0]!
}

/** Distances that the QK circuit of rotary models is compared at. */
const DISTANCES = [1, 2, 4, 8, 16]

/** Tokens whose values are read: given ones, random ones, and those of a real run. */
export interface TokenLists {
  readonly given: readonly number[]
  readonly sample: readonly number[]
  readonly sequence: readonly number[]
}

/** The chosen heads of one layer. */
export async function readLayer(
  model: Model,
  readings: TokenReadings,
  layer: number,
  chosen: readonly number[],
  { given, sample, sequence }: TokenLists,
  scores: Float32Array,
  options: {
    readonly distance?: number
    readonly directions?: number
    readonly topK?: number
    readonly signal?: AbortSignal | undefined
  },
) {
  const { config, engine, weights } = model
  const { n_heads, d_head } = config
  const { distance = 0, directions = 3, topK = 5, signal } = options
  const isRotary = config.positional_embedding_type === 'rotary'
  const heads = layerHeads(model, layer, distance)
  const { gram, centredGram } = readings
  const quadratic = (weight: Tensor, middle: Tensor) => {
    const x = weight.cast('float64')
    return einsum('hce,hcf->hef', einsum('hde,dc->hce', x, middle), x)
  }
  const lists = [given, sample, sequence].map((list) => (list.length === 0 ? [0] : list))
  const [ofGiven, ofSample, ofSequence] = lists.map((list) => pairValues(readings, heads, list))
  const outputs = [
    ...residualGrams(heads),
    einsum('hed,hdf->hef', heads.o, heads.v).cast('float64'),
    quadratic(heads.values, gram),
    einsum('hev,hfv->hef', heads.logits.cast('float64'), heads.logits.cast('float64')),
    quadratic(heads.queries, gram),
    quadratic(heads.keys, centredGram),
    ofGiven!.ov,
    ofGiven!.qk,
    ofSample!.ov,
    ofSequence!.qk,
    ...(isRotary
      ? DISTANCES.map((other) => pairValues(readings, layerHeads(model, layer, distance + other), lists[2]!).qk)
      : []),
  ]
  const results = await engine.evaluate(outputs, {}, { weights: weights.stored, signal })
  const [q, k, v, o, product, values, logits, queries, keys, ovPairs, qkPairs, ovSample, qkSequence, ...others] =
    results.map(({ data }) => data as Float32Array)
  const square = (data: Float32Array, head: number) => data.subarray(head * d_head ** 2, (head + 1) * d_head ** 2)
  const all = Array.from({ length: n_heads }, (_, head) => head)
  const full = all.map((head) => ({
    ov: factorProduct(square(values!, head), square(logits!, head), d_head),
    qk: factorProduct(square(queries!, head), square(keys!, head), d_head),
  }))
  const count = Math.min(directions, d_head)
  const ends = await directionEnds(model, readings, heads, full, count, Math.min(topK, config.d_vocab_out), signal)
  const grid = (data: Float32Array, head: number, n: number) =>
    Array.from({ length: n }, (_, i) => Array.from(data.subarray((head * n + i) * n, (head * n + i + 1) * n), Number))
  return chosen.map((head) => {
    const circuit = (left: Float32Array, right: Float32Array, kind: 'ov' | 'qk', pairs: Float32Array) => ({
      singularValues: factorProduct(square(left, head), square(right, head), d_head).values,
      fullSingularValues: full[head]![kind].values,
      directions: ends[kind](head),
      pairs: given.length === 0 ? [] : grid(pairs, head, given.length),
    })
    const own = grid(qkSequence!, head, sequence.length)
    const agreement = others.map((other) => queryCorrelation(own, grid(other, head, sequence.length)))
    return {
      layer,
      head,
      ov: circuit(v!, o!, 'ov', ovPairs!),
      qk: circuit(q!, k!, 'qk', qkPairs!),
      eigenvalues: eigenvalues(square(product!, head), d_head),
      ownFirst: ownFirst(grid(ovSample!, head, sample.length)),
      scoresExplained: finite(queryCorrelation(own, grid(scores, head, sequence.length))),
      distanceAgreement: isRotary ? finite(Math.min(...agreement)) : null,
    }
  })
}

const finite = (x: number): number | null => (Number.isFinite(x) ? x : null)

/** W_Q'W_Q, W_K'W_K, W_V'W_V and W_O W_O' of all heads, [H, e, e] in doubles: squares of small singular values need them. */
export function residualGrams({ q, k, v, o }: Pick<LayerHeads, 'q' | 'k' | 'v' | 'o'>): Tensor[] {
  const inner = (x: Tensor) => einsum('hde,hdf->hef', x, x)
  const [dq, dk, dv, dO] = [q, k, v, o].map((x) => x.cast('float64'))
  return [inner(dq!), inner(dk!), inner(dv!), einsum('hed,hfd->hef', dO!, dO!)]
}

/** Both circuits among some tokens, [H, n, n]. */
function pairValues({ tokens, mean }: TokenReadings, heads: LayerHeads, ids: readonly number[]) {
  const list = tensor([...ids], undefined, 'int64')
  const rows = tokens.gather(list, 0) // [n, d + 1]
  const inner = (x: Tensor, weight: Tensor) => einsum('nc,hce->hne', x, weight)
  return {
    ov: einsum('hne,hem->hnm', inner(rows, heads.values), heads.logits.gather(list, 2)),
    qk: einsum('hne,hme->hnm', inner(rows, heads.queries), inner(rows.sub(mean), heads.keys)),
  }
}

/** The tokens at both ends of the first directions of every head, both circuits and sides. */
async function directionEnds(
  model: Model,
  { tokens, mean }: TokenReadings,
  heads: LayerHeads,
  factors: readonly { readonly ov: ProductFactors; readonly qk: ProductFactors }[],
  count: number,
  topK: number,
  signal: AbortSignal | undefined,
) {
  const side = (circuit: 'ov' | 'qk', which: 'left' | 'right') => {
    const columns = factors.flatMap(({ [circuit]: one }) =>
      one[which].to2DArray().flatMap((row) => row.slice(0, count)),
    )
    return tensor(Float32Array.from(columns), [factors.length, factors[0]!.ov.values.length, count])
  }
  const project = (x: Tensor, weight: Tensor, vectors: Tensor) =>
    einsum('vc,hck->hkv', x, einsum('hce,hek->hck', weight, vectors))
  const sides = [
    project(tokens, heads.values, side('ov', 'left')),
    einsum('hev,hek->hkv', heads.logits, side('ov', 'right')),
    project(tokens, heads.queries, side('qk', 'left')),
    project(tokens.sub(mean), heads.keys, side('qk', 'right')),
  ]
  const outputs = sides.flatMap((x) => {
    const [most, least] = [x.topK(topK), x.topK(topK, -1, false)]
    return [most.indices, most.values, least.indices, least.values]
  })
  const results = await model.engine.evaluate(outputs, {}, { weights: model.weights.stored, signal })
  const read = (sideIndex: number, head: number, direction: number) => {
    const list = (offset: number) =>
      Array.from({ length: topK }, (_, i) => {
        const at = (head * count + direction) * topK + i
        const [ids, weights] = [results[4 * sideIndex + offset]!.data, results[4 * sideIndex + offset + 1]!.data]
        return { ...withText(model, Number(ids[at])), weight: Number(weights[at]) }
      })
    return { positive: list(0), negative: list(2) }
  }
  // A direction and its opposite are the same: the larger end of what is read is called positive.
  const flip = ({ positive, negative }: DirectionEnds): DirectionEnds => {
    const turn = (list: readonly WeightedToken[]) => list.map((token) => ({ ...token, weight: -token.weight }))
    return { positive: turn(negative), negative: turn(positive) }
  }
  const of = (kind: 'ov' | 'qk', first: number) => (head: number) =>
    Array.from({ length: count }, (_, direction): CircuitDirection => {
      const [reads, writes] = [read(first, head, direction), read(first + 1, head, direction)]
      const turned = Math.abs(reads.negative[0]!.weight) > Math.abs(reads.positive[0]!.weight)
      const value = factors[head]![kind].values[direction]!
      return turned ? { value, reads: flip(reads), writes: flip(writes) } : { value, reads, writes }
    })
  return { ov: of('ov', 0), qk: of('qk', 2) }
}

/** Share of the rows that raise something whose own column is the largest. */
function ownFirst(rows: readonly (readonly number[])[]): number {
  const raising = rows.map((row, i) => ({ row, i })).filter(({ row }) => Math.max(...row) > 1e-6)
  if (raising.length === 0) return 0
  return raising.filter(({ row, i }) => row[i]! >= Math.max(...row)).length / raising.length
}

/** Correlation over the pairs of a query and a key that it sees, each query's mean taken away. */
function queryCorrelation(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  const entries = (rows: readonly (readonly number[])[]) =>
    rows.slice(1).flatMap((row, i) => {
      const seen = row.slice(0, i + 2)
      const middle = seen.reduce((sum, x) => sum + x, 0) / seen.length
      return seen.map((x) => x - middle)
    })
  const [x, y] = [entries(a), entries(b)]
  const both = x.map((_, i) => i).filter((i) => Number.isFinite(x[i]!) && Number.isFinite(y[i]!))
  return correlation(
    both.map((i) => x[i]!),
    both.map((i) => y[i]!),
  )
}
