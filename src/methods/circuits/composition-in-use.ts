/**
 * Composition in use: how much of what a later head reads on real runs comes from an earlier head? For every pair, with the norm's
 * scale held at the run's, the earlier head's output goes alone through the later head's weights:
 *
 *     Q, K: the attention scores that it makes, against all of them    (deviations from each query's mean over keys)
 *     V:    the values that it makes, against all of them              (deviations from their mean over positions)
 *
 * in root mean squares over the runs. A share can exceed 1 where others cancel it. Unlike a score of weights it sees what is
 * never active, what carries a signal through a small part of a matrix, and how often it happens; and it is of these runs only.
 */
import type { Readout, ReadoutContext } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { rotaryTables, rotate } from '../../models/parts/rotary.ts'
import { constant, einsum, stack, type Tensor, tensor } from '../../tensor/index.ts'
import { perHead } from '../shared/per-head.ts'
import { COMPOSITIONS, type Composition, type PairScores } from './composition.ts'

/** Whether the outputs of heads go straight to the stream and later norms, as this decomposition needs. */
export function canDecompose(config: ModelConfig): boolean {
  return !config.post_norms && config.n_layers > 1
}

const isRotary = ({ positional_embedding_type }: ModelConfig) => positional_embedding_type === 'rotary'
const queryHook = (config: ModelConfig) => (isRotary(config) ? 'hook_rot_q' : 'hook_q')
const keyHook = (config: ModelConfig) => (isRotary(config) ? 'hook_rot_k' : 'hook_k')

/** Mean squares over each run, `part` [n, pairs, 3, H, H] (earlier head, later head) and `whole` [n, L, 3, H]. */
export function compositionReadout(config: ModelConfig): Readout {
  const attention = ['hook_z', queryHook(config), keyHook(config), 'hook_v'].map((hook) => `blocks.*.attn.${hook}`)
  return {
    reads: config.normalization_type === null ? attention : [...attention, 'blocks.*.ln1.hook_scale'],
    trace(context) {
      const layers = Array.from({ length: config.n_layers }, (_, layer) => layer)
      const whole = layers.map((layer) => wholeSquares(context, config, layer))
      const part = layers.flatMap((later) =>
        layers.slice(0, later).map((earlier) => partSquares(context, config, earlier, later)),
      )
      return { part: stack(part, 1), whole: stack(whole, 1) }
    },
  }
}

/** A head that reads less than this is rounding: mean squares of scores, or of values beside their weights'. */
const NOTHING = 1e-6

/** Every pair's shares from the readout's values of all runs, in the order of `compositionReadout`. */
export function compositionShares(
  { n_layers, n_heads }: ModelConfig,
  part: readonly { readonly data: ArrayLike<number | bigint> }[],
  whole: readonly { readonly data: ArrayLike<number | bigint> }[],
): Record<Composition, PairScores> {
  const sum = (arrays: readonly { readonly data: ArrayLike<number | bigint> }[], at: number) =>
    arrays.reduce((total, { data }) => total + Number(data[at]), 0)
  const share = (kind: number, from: number, h: number, to: number, g: number) => {
    if (from >= to) return 0
    const pair = (to * (to - 1)) / 2 + from
    const all = sum(whole, (to * 3 + kind) * n_heads + g)
    if (all <= NOTHING * whole.length) return 0
    return Math.sqrt(sum(part, ((pair * 3 + kind) * n_heads + h) * n_heads + g) / all)
  }
  const heads = Array.from({ length: n_heads }, (_, h) => h)
  const layers = Array.from({ length: n_layers }, (_, l) => l)
  const grid = (kind: number): PairScores =>
    layers.map((from) => heads.map((h) => layers.map((to) => heads.map((g) => share(kind, from, h, to, g)))))
  return Object.fromEntries(COMPOSITIONS.map((name, kind) => [name, grid(kind)])) as Record<Composition, PairScores>
}

/** [n, 3, H] */
function wholeSquares(context: ReadoutContext, config: ModelConfig, layer: number): Tensor {
  const read = (hook: string) => context.activation(`blocks.${layer}.attn.${hook}`)
  const [q, k] = [read(queryHook(config)), grouped(config, read(keyHook(config)))]
  const scores = scoreSquares(config, layer, einsum('nihf,njhf->nhij', q, k))
  const values = valueSquares(context, config, layer, grouped(config, read('hook_v')).transpose(0, 2, 1, 3))
  return stack([scores, scores, values], 1)
}

/** [n, 3, G, H] */
function partSquares(context: ReadoutContext, config: ModelConfig, earlier: number, later: number): Tensor {
  const read = (layer: number, hook: string) => context.activation(`blocks.${layer}.attn.${hook}`)
  const written = einsum('npge,ged->ngpd', read(earlier, 'hook_z'), context.weight(`blocks.${earlier}.attn.W_O`))
  const through = normed(context, config, later, written)
  const made = (letter: string) => {
    const weight = context.weight(`blocks.${later}.attn.W_${letter}`) // [H or Hk, d, f]
    return grouped(config, einsum('ngpd,hdf->ngphf', through, weight))
  }
  const [q, k] = [read(later, queryHook(config)), grouped(config, read(later, keyHook(config)))]
  return stack(
    [
      scoreSquares(config, later, einsum('ngihf,njhf->nghij', turned(config, made('Q')), k)),
      scoreSquares(config, later, einsum('nihf,ngjhf->nghij', q, turned(config, made('K')))),
      valueSquares(context, config, later, made('V').transpose(0, 1, 3, 2, 4)),
    ],
    1,
  )
}

/** What was written [n, G, P, d] as a layer's norm, its scale held, hands it to the heads. */
function normed(
  { activation, weight, hasWeight }: ReadoutContext,
  config: ModelConfig,
  layer: number,
  x: Tensor,
): Tensor {
  const { normalization_type, norm_weight_offset } = config
  if (normalization_type === null) return x
  const name = `blocks.${layer}.ln1`
  const centred = normalization_type.startsWith('LN') ? x.sub(x.mean(-1, true)) : x
  const scaled = centred.div(activation(`${name}.hook_scale`).unsqueeze(1))
  return hasWeight(`${name}.w`) ? scaled.mul(weight(`${name}.w`).add(constant(norm_weight_offset))) : scaled
}

/** Rotates queries or keys [n, G, P, H, f] by their positions, where the model does. */
function turned(config: ModelConfig, x: Tensor): Tensor {
  if (!isRotary(config)) return x
  const positions = Array.from({ length: x.shape[2]! }, (_, p) => p)
  const { cos, sin } = rotaryTables(config, positions)
  const shape = [positions.length, 1, config.rotary_dim / 2]
  return rotate(x, { cos: tensor(cos, shape), sin: tensor(sin, shape) }, config)
}

/** Keys or values [..., Hk, f] of every head, [..., H, f]. */
const grouped = (config: ModelConfig, x: Tensor): Tensor => perHead(config, x, x.rank - 2)

/** Mean squares of scores [..., Q, K], scaled as the model scales them, less each query's mean over the keys that it sees. */
function scoreSquares({ attn_scales }: ModelConfig, layer: number, scores: Tensor): Tensor {
  const size = scores.shape.at(-1)!
  const seen = tensor(
    Float32Array.from({ length: size * size }, (_, i) => (i % size <= Math.floor(i / size) ? 1 : 0)),
    [size, size],
  )
  const counts = tensor(
    Float32Array.from({ length: size }, (_, i) => i + 1),
    [size, 1],
  )
  const mean = scores.mul(seen).sum(-1, true).div(counts)
  const rest = scores.sub(mean).mul(seen)
  return rest
    .mul(rest)
    .sum([-2, -1])
    .mul(constant(attn_scales[layer]! ** 2 / ((size * (size + 1)) / 2)))
}

/** Mean squares of values [..., H, P, f] less their mean over positions, beside those of the head's value weights. */
function valueSquares({ weight }: ReadoutContext, config: ModelConfig, layer: number, values: Tensor): Tensor {
  const rest = values.sub(values.mean(-2, true))
  const weights = grouped(config, weight(`blocks.${layer}.attn.W_V`).transpose(1, 0, 2)) // [d, H, f]
  const size = weights.mul(weights).sum([0, 2]) // [H]
  return rest
    .mul(rest)
    .sum([-2, -1])
    .div(size.add(constant(1e-30)).mul(constant(values.shape.at(-2)!)))
}
