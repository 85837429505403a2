import type { CircuitOutcome } from './circuit-runs.ts'
import { type EdgeGraph, type EdgeSet, endsOf, sendersBehind } from './edge-graph.ts'

/** What a removal must not change: the prediction (KL from the clean run) or the metric. */
export const REMOVAL_MEASURES = ['kl', 'metric'] as const
/** One of `REMOVAL_MEASURES`. */
export type RemovalMeasure = (typeof REMOVAL_MEASURES)[number]

/** What circuits do, [circuit][pair]. */
export type Evaluate = (circuits: readonly EdgeSet[]) => Promise<readonly (readonly CircuitOutcome[])[]>

/** How far edges have been removed. */
export interface Removal {
  readonly kept: EdgeSet
  /** First to last. */
  readonly removed: readonly number[]
  /** Edges that were tried, of all. */
  readonly tried: number
}

/** When an edge may go. */
export interface RemovalRule {
  readonly measure: RemovalMeasure
  /** Nats of KL, or a share of the difference between the clean and the corrupted metric. */
  readonly threshold: number
  readonly difference: number
}

/** Removals that are run together, each on top of those before it. */
const AHEAD = 16

/**
 * Removes edges one after the other, from the output backwards (receivers last to first, their senders last to first): an edge goes
 * when that, on top of everything removed before, raises the mean KL (or moves the metric) by less than the threshold (Conmy et al. 2304.14997). What nothing
 * listens to any more goes unrun. Several removals are run at once as if all went; from the first that does not, the rest are run again:
 * the outcome is that of one run per edge.
 */
export async function removeGreedily(
  graph: EdgeGraph,
  evaluate: Evaluate,
  rule: RemovalRule,
  onStep: (soFar: Removal) => void,
): Promise<Removal> {
  const width = graph.receivers.length
  const queue = [...graph.cells].sort((a, b) => (b % width) - (a % width) || b - a)
  let kept: EdgeSet = new Set(graph.cells)
  let [standing] = (await evaluate([kept])) as [readonly CircuitOutcome[]]
  const removed: number[] = []
  let tried = 0
  while (tried < queue.length) {
    // A step takes away one edge, and with it nothing else: what is dead is a step of its own, without a run.
    const steps: { readonly cell: number; readonly after: EdgeSet; readonly isDead: boolean }[] = []
    let state = kept
    let runs = 0
    for (let at = tried; at < queue.length && runs < AHEAD; at++) {
      const cell = queue[at]!
      const isDead = !isHeard(graph, state, cell)
      if (!isDead) runs++
      state = new Set(state)
      ;(state as Set<number>).delete(cell)
      steps.push({ cell, after: state, isDead })
    }
    const outcomes = await evaluate(steps.filter(({ isDead }) => !isDead).map(({ after }) => after))
    let next = 0
    for (const { cell, after, isDead } of steps) {
      tried++
      const outcome = isDead ? standing : outcomes[next++]!
      if (!isDead && change(rule, standing, outcome) >= rule.threshold) break
      kept = after
      standing = outcome
      removed.push(cell)
    }
    onStep({ kept, removed: [...removed], tried })
  }
  return { kept, removed, tried }
}

/** Whether anything of a circuit reads what an edge's receiver makes of it. */
function isHeard(graph: EdgeGraph, circuit: EdgeSet, cell: number): boolean {
  const { receiver } = endsOf(graph, cell)
  if (receiver.hooks.length === 0) return true
  const width = graph.receivers.length
  return sendersBehind(graph, receiver).some((sender) => {
    const row = graph.senders.indexOf(sender) * width
    return graph.receivers.some((_, r) => circuit.has(row + r))
  })
}

/** What a removal does: the rise of the mean KL, or the mean move of the metric as a share of the difference. */
function change(
  { measure, difference }: RemovalRule,
  before: readonly CircuitOutcome[],
  after: readonly CircuitOutcome[],
): number {
  const moves = after.map(({ metric, kl }, pair) =>
    measure === 'kl' ? kl - before[pair]!.kl : Math.abs(metric - before[pair]!.metric) / Math.abs(difference),
  )
  return moves.reduce((sum, x) => sum + x, 0) / moves.length
}
