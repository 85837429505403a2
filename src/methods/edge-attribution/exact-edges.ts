import { throwIfAborted } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import type { Direction, PreparedPair } from '../patching/prompt-pair.ts'
import { patchChosen } from '../path-patching/path-patch-sweep.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, shuffledIndices } from '../shared/statistics.ts'
import { type ExactEdge, RANDOM_EDGES, TOP_EDGES } from './edge-attribution-checks.ts'
import { edgeRuns } from './edge-inputs.ts'
import { allReceivers, allSenders } from './edge-parts.ts'

/** Estimates of all edges of a pair, and the positions at which senders pass something on (all unless said). */
export interface ScoredPair {
  readonly pair: PreparedPair
  /** [senders][receivers] in row-major order; null where the sender does not reach the receiver. */
  readonly scores: readonly (number | null)[]
  readonly positions?: readonly number[] | undefined
}

/** Exact path patches of the top edges of a pair and of some random ones. */
export async function patchSampled(
  model: Model,
  { pair, scores, positions }: ScoredPair,
  direction: Direction,
  options: MethodOptions,
  meter: Meter,
): Promise<ExactEdge[]> {
  throwIfAborted(options.signal)
  const [senders, receivers] = [allSenders(model.config), allReceivers(model.config)]
  const top = largestIndices(scores, TOP_EDGES)
  const others = shuffledIndices(scores.length, options.seed ?? 0)
    .filter((i) => scores[i] !== null && !top.includes(i))
    .slice(0, RANDOM_EDGES)
  const chosen = [...top, ...others].map((cell) => ({
    sender: senders[Math.floor(cell / receivers.length)]!,
    receiver: receivers[cell % receivers.length]!,
    estimate: scores[cell]!,
  }))
  const read = [...new Set(chosen.map(({ receiver }) => receiver))]
  const runs = await edgeRuns(model, pair, direction, read, options, meter)
  const effects = await patchChosen(model, runs, chosen, positions, options, meter)
  return chosen.map(({ sender, receiver, estimate }, i) => ({
    sender: sender.name,
    receiver: receiver.name,
    estimate,
    effect: effects[i]!,
  }))
}
