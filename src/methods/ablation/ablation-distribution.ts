import {
  type Activation,
  type ArrayValue,
  type Edit,
  klDivergence,
  type Model,
  ofPrompt,
  type Prompt,
  type RunOptions,
  type RunOutput,
} from '../../lab/index.ts'
import { concat, tensor } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import type { Part } from './ablation-parts.ts'

/** Where a replacement lies among the real activations of its part. */
export interface Placement {
  /**
   * From the mean of the real ones, in their typical deviations: sqrt(mean over features of ((x - mean) / deviation)^2), a
   * Mahalanobis distance with a diagonal covariance; around 1 for real ones.
   */
  readonly distance: number
  /** Its norm over the real ones' mean norm. */
  readonly length: number
  /** From the nearest real one, over what 95% of the real ones are away from their nearest; above 1 it lies where none do. */
  readonly nearest: number
}

/** Real activations are compared with each other: more than these are thinned out evenly. */
const MOST_ROWS = 64
/** No feature counts as varying less than this share of the typical deviation, or of the typical size where none varies. */
const SMALLEST_DEVIATION = 1e-3
/** How far apart, in typical deviations, real activations count as being at the least: repeated tokens repeat them exactly. */
const SMALLEST_GAP = 0.05
const USUAL = 0.95

/** Where replacements lie among a part's activations on the reference; the means over positions. */
export function placement(reference: Activation, { head, neuron }: Part, edit: Edit): Placement {
  const all = reference.lengths.flatMap((_, i) => partRows(ofPrompt(reference, i), head, neuron))
  const rows = thinned(all)
  const value = edit.kind === 'replace' ? withPositions(edit.value as ArrayValue, reference) : null
  const replaced = value === null ? [rows[0]!.map(() => 0)] : atPositions(partRows(value, head, neuron), edit.positions)
  const size = rows[0]!.length
  const centre = Array.from({ length: size }, (_, i) => mean(all.map((row) => row[i]!)))
  const variance = centre.map((m, i) => mean(all.map((row) => (row[i]! - m) ** 2)))
  // Features that never vary are judged by the typical variance instead of dividing by zero, and what never varies by its size.
  const square = mean(all.map((row) => mean(row.map((x) => x * x))))
  const least = SMALLEST_DEVIATION ** 2 * Math.max(mean(variance), square)
  const scale = variance.map((v) => 1 / Math.sqrt(Math.max(v, least) || 1))
  const apart = (a: readonly number[], b: readonly number[]) =>
    Math.sqrt(mean(scale.map((s, i) => ((a[i]! - b[i]!) * s) ** 2)))
  const usual = rows.map((row, i) => Math.min(...rows.map((other, j) => (i === j ? Infinity : apart(row, other)))))
  const gap = usual.sort((a, b) => a - b)[Math.ceil(USUAL * usual.length) - 1]!
  const nearest = replaced.map((row) => Math.min(...rows.map((other) => apart(row, other))))
  const norm = (row: readonly number[]) => Math.hypot(...row)
  return {
    distance: mean(replaced.map((row) => apart(row, centre))),
    length: mean(replaced.map(norm)) / (mean(all.map(norm)) || 1),
    nearest: mean(nearest) / Math.max(Number.isFinite(gap) ? gap : 0, SMALLEST_GAP),
  }
}

/** At most `MOST_ROWS` of the rows, spread evenly. */
function thinned(rows: readonly number[][]): readonly number[][] {
  if (rows.length <= MOST_ROWS) return rows
  return Array.from({ length: MOST_ROWS }, (_, i) => rows[Math.floor((i * rows.length) / MOST_ROWS)]!)
}

/** The rows of the positions that are replaced; a mean over all positions is one row. */
function atPositions(rows: readonly number[][], positions: readonly number[] | undefined): readonly number[][] {
  if (positions === undefined || rows.length === 1) return rows
  return positions.map((p) => rows[p < 0 ? p + rows.length : p]!)
}

/** A mean has no position axis. */
function withPositions({ shape, data }: ArrayValue, { shape: full }: Activation): ArrayValue {
  return shape.length === full.length - 1 ? { shape, data } : { shape: [1, ...shape], data }
}

/** The part's own features at every position of [P, features] or [P, H, dh]. */
function partRows({ shape, data }: ArrayValue, head: number | undefined, neuron: number | undefined): number[][] {
  const size = data.length / shape[0]!
  const width = shape[shape.length - 1]!
  return Array.from({ length: shape[0]! }, (_, position) => {
    const row = Array.from(data.subarray(position * size, (position + 1) * size) as Float32Array)
    if (head !== undefined) return row.slice(head * width, (head + 1) * width)
    return neuron === undefined ? row : [row[neuron]!]
  })
}

/** What an ablation does downstream. */
export interface Downstream {
  /** KL(whole || ablated) of the next token at the last position, in nats. */
  readonly kl: number
  /** The layers whose residual stream (behind them) is looked at. */
  readonly layers: readonly number[]
  /** How far the ablated run's residual stream is from the reference's mean, as `Placement.distance`, the mean over positions. */
  readonly ablated: readonly number[]
  /** The same without ablation. */
  readonly whole: readonly number[]
}

/** The residual streams of the reference, layer by layer. */
export interface StreamStatistics {
  readonly mean: readonly Float32Array[]
  /** One over the deviation. */
  readonly scale: readonly Float32Array[]
}

const streamHook = (layer: number) => `blocks.${layer}.hook_resid_post`

/** The mean and deviation of every feature of the residual stream behind every layer, over all positions of the prompts. */
export async function streamStatistics(
  { config }: Model,
  prompts: readonly Prompt[],
  { edits, prependBos, signal }: MethodOptions,
  meter: Meter,
): Promise<StreamStatistics> {
  const layers = Array.from({ length: config.n_layers }, (_, l) => l)
  const { readout, prompts: run } = await meter.run(prompts, {
    edits,
    prependBos,
    signal,
    readout: {
      reads: layers.map(streamHook),
      // Sums only cross: [n, layers, d]
      trace: ({ activation }) => ({
        sums: concat(
          layers.map((l) => activation(streamHook(l)).sum(1, true)),
          1,
        ),
        squares: concat(
          layers.map((l) => activation(streamHook(l)).square().sum(1, true)),
          1,
        ),
      }),
    },
  })
  const count = run.reduce((sum, { ids }) => sum + ids.length, 0)
  const d = config.d_model
  const meanOf = (name: 'sums' | 'squares', layer: number) =>
    Float64Array.from(
      { length: d },
      (_, i) => readout[name]!.reduce((sum, { data }) => sum + Number(data[layer * d + i]), 0) / count,
    )
  const means = layers.map((layer) => meanOf('sums', layer))
  return {
    mean: means.map((values) => Float32Array.from(values)),
    scale: layers.map((layer) => {
      const variance = meanOf('squares', layer).map((square, i) => Math.max(0, square - means[layer]![i]! ** 2))
      const typical = variance.reduce((sum, v) => sum + v, 0) / d
      return Float32Array.from(variance, (v) => 1 / Math.sqrt(Math.max(v, SMALLEST_DEVIATION * typical) || 1))
    }),
  }
}

/** Runs a prompt whole and once per list of edits, and says how far its residual streams and its prediction move. */
export async function downstream(
  model: Model,
  ids: readonly number[],
  ablations: readonly (readonly Edit[])[],
  statistics: StreamStatistics,
  { edits = [], signal }: MethodOptions,
  meter: Meter,
): Promise<Downstream[]> {
  const layers = Array.from({ length: model.config.n_layers }, (_, l) => l)
  const readout: RunOptions['readout'] = {
    reads: layers.map(streamHook),
    trace: ({ activation }) => ({
      distances: concat(
        layers.map((l) => {
          const standard = activation(streamHook(l)).sub(tensor(statistics.mean[l]!)).mul(tensor(statistics.scale[l]!))
          // [n, P, d] -> [n, 1]
          return standard.square().mean(-1).sqrt().mean(1, true)
        }),
        1,
      ),
    }),
  }
  const distancesOf = ({ readout: { distances } }: RunOutput) => Array.from(distances![0]!.data as Float32Array)
  const whole = await meter.run([ids], { edits, signal, readout, positions: 'last' })
  const metric = klDivergence([ofPrompt(whole.logits!, 0).data as Float32Array])
  const results: Downstream[] = []
  for (const ablation of ablations) {
    const run = await model.run([ids], { edits: [...edits, ...ablation], signal, readout, metric })
    meter.addVariants(1, edits)
    results.push({ kl: run.metric![0]!, layers, ablated: distancesOf(run), whole: distancesOf(whole) })
  }
  return results
}
