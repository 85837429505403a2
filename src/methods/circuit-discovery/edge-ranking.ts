import type { Model } from '../../lab/index.ts'
import { edgeScores } from '../edge-attribution/edge-gradients.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { mean } from '../shared/statistics.ts'
import type { CircuitOutcome, CircuitPair } from './circuit-runs.ts'
import { connectedOrder, type EdgeGraph, liveEdges } from './edge-graph.ts'
import { type Evaluate, type Removal, type RemovalRule, removeGreedily } from './greedy-removal.ts'

/** Edges in the order in which a circuit takes them up, with what is known of them. */
export interface Ranking {
  readonly order: readonly number[]
  /** Estimated effects of the edges' clean values, by cell; null where edges were removed by exact runs. */
  readonly scores: readonly (number | null)[] | null
  /** The same of the first pair, before signs are turned: effects of corrupted values in the clean run. */
  readonly first: readonly (number | null)[] | null
  /** How many edges the circuit has, where the ranking says it. */
  readonly size: number | null
}

/** All edges by the size of their estimated effect (steps = 1: gradients at the clean run), means over pairs, connected to the output. */
export async function rankByGradient(
  model: Model,
  graph: EdgeGraph,
  pairs: readonly CircuitPair[],
  options: MethodOptions & { readonly steps: number },
  meter: Meter,
): Promise<Ranking> {
  const rows: (readonly (number | null)[])[] = []
  for (const { pair } of pairs) {
    // What an edge's corrupted value does in the clean run is what its clean value is worth, with the other sign.
    const { scores } = await edgeScores(model, pair, 'corrupted_into_clean', options, meter)
    rows.push(scores)
  }
  const scores = rows[0]!.map((own, cell) => (own === null ? null : -mean(rows.map((row) => row[cell]!))))
  return { order: connectedOrder(graph, scores), scores, first: rows[0]!, size: null }
}

/** The edges that no removal took away, by what each is worth among them; then the others, the last removed first. */
export async function rankByRemoval(
  graph: EdgeGraph,
  evaluate: Evaluate,
  rule: RemovalRule,
  onStep: (soFar: Removal) => void,
): Promise<Ranking> {
  const { kept, removed } = await removeGreedily(graph, evaluate, rule, onStep)
  const live = [...liveEdges(graph, kept)]
  const outcomes = await evaluate([new Set(live), ...live.map((cell) => new Set(live.filter((one) => one !== cell)))])
  const [whole, ...without] = outcomes.map(meanMetric) as [number, ...number[]]
  const worth = new Array<number | null>(graph.senders.length * graph.receivers.length).fill(0)
  live.forEach((cell, i) => {
    worth[cell] = whole - without[i]!
  })
  const order = connectedOrder(graph, worth).filter((cell) => kept.has(cell))
  return { order: [...order, ...removed.toReversed()], scores: null, first: null, size: kept.size }
}

/** The mean metric of a circuit over pairs. */
export function meanMetric(outcomes: readonly CircuitOutcome[]): number {
  return mean(outcomes.map(({ metric }) => metric))
}
