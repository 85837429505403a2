import { mean } from '../shared/statistics.ts'
import type { CircuitOutcome, CircuitPair } from './circuit-runs.ts'
import { type EdgeGraph, type EdgeSet, liveEdges } from './edge-graph.ts'
import type { Evaluate } from './greedy-removal.ts'

/** How much of the clean run a circuit of one size does, and what is left without it. */
export interface CurvePoint {
  /** Edges that were taken up. */
  readonly size: number
  /** Of them, those on a path from the embedding to the logits. */
  readonly live: number
  /** (metric of the circuit - of the corrupted run) / (of the clean run - of the corrupted run): 1 all of it. */
  readonly faithfulness: number
  /** How far the circuit is from the clean run pair by pair, as a share of their differences: errors do not cancel. */
  readonly miss: number
  /** The faithfulness of all edges but the circuit's: 0 where nothing that matters was left out. */
  readonly complement: number
  /** Mean KL from the clean run's prediction to the circuit's, in nats. */
  readonly kl: number
}

/** The share of the difference between the clean and the corrupted runs that outcomes reach: means over pairs, then the ratio. */
export function faithfulnessOf(
  outcomes: readonly Pick<CircuitOutcome, 'metric'>[],
  pairs: readonly CircuitPair[],
): number {
  const corrupt = mean(pairs.map(({ corruptMetric }) => corruptMetric))
  const clean = mean(pairs.map(({ cleanMetric }) => cleanMetric))
  return (mean(outcomes.map(({ metric }) => metric)) - corrupt) / (clean - corrupt)
}

/** The mean distance from the clean runs, pair by pair, as a share of the mean difference between clean and corrupted runs. */
export function missOf(outcomes: readonly Pick<CircuitOutcome, 'metric'>[], pairs: readonly CircuitPair[]): number {
  const missed = outcomes.map(({ metric }, i) => Math.abs(pairs[i]!.cleanMetric - metric))
  return mean(missed) / mean(pairs.map(({ cleanMetric, corruptMetric }) => Math.abs(cleanMetric - corruptMetric)))
}

/** Sizes that stand for all from 0 to `most`: two for every doubling. */
export function curveSizes(most: number): number[] {
  const sizes = [0, 1]
  for (let size = 2; size < most; size *= 2) sizes.push(size, Math.round(1.5 * size))
  return [...new Set(sizes)].filter((size) => size < most).concat(most)
}

/** At most `count` sizes between two, evenly. */
export function sizesBetween(low: number, high: number, count: number): number[] {
  const inside = high - low - 1
  if (inside <= count) return Array.from({ length: Math.max(0, inside) }, (_, i) => low + 1 + i)
  return Array.from({ length: count }, (_, i) => low + Math.round(((i + 1) * (high - low)) / (count + 1)))
}

/** The points of a curve: the first edges of an order by size, and all the others. */
export async function curvePoints(
  graph: EdgeGraph,
  order: readonly number[],
  sizes: readonly number[],
  pairs: readonly CircuitPair[],
  evaluate: Evaluate,
): Promise<CurvePoint[]> {
  const circuits = sizes.map((size) => new Set(order.slice(0, size)))
  const outcomes = await evaluate([...circuits, ...circuits.map((circuit) => complementOf(graph, circuit))])
  return sizes.map((size, i) => ({
    size,
    live: liveEdges(graph, circuits[i]!).size,
    faithfulness: faithfulnessOf(outcomes[i]!, pairs),
    miss: missOf(outcomes[i]!, pairs),
    complement: faithfulnessOf(outcomes[sizes.length + i]!, pairs),
    kl: mean(outcomes[i]!.map(({ kl }) => kl)),
  }))
}

/** All edges but a circuit's. */
export function complementOf({ cells }: EdgeGraph, circuit: EdgeSet): Set<number> {
  return new Set(cells.filter((cell) => !circuit.has(cell)))
}

/** The smallest point that misses at most `1 - target`, pair by pair; the largest where none is: prompts that do not differ in the metric. */
export function smallestFaithful(points: readonly CurvePoint[], target: number): CurvePoint {
  const sorted = [...points].sort((a, b) => a.size - b.size)
  return sorted.find(({ miss }) => miss <= 1 - target) ?? sorted.at(-1)!
}
