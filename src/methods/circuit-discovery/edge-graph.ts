import type { ModelConfig } from '../../models/index.ts'
import { allReceivers, allSenders, type Receiver, reaches, type Sender } from '../edge-attribution/edge-parts.ts'

/** The edges of a model, as cells of senders by receivers in row-major order. */
export interface EdgeGraph {
  readonly senders: readonly Sender[]
  readonly receivers: readonly Receiver[]
  /** The cells whose sender reaches their receiver, in the order of the forward pass. */
  readonly cells: readonly number[]
}

/** Some edges: cells of an `EdgeGraph`. */
export type EdgeSet = ReadonlySet<number>

/** All edges of a model. */
export function edgeGraph(config: ModelConfig): EdgeGraph {
  const [senders, receivers] = [allSenders(config), allReceivers(config)]
  const cells = senders.flatMap((sender, s) =>
    receivers.flatMap((receiver, r) => (reaches(sender, receiver) ? [s * receivers.length + r] : [])),
  )
  return { senders, receivers, cells }
}

/** The sender and the receiver of an edge. */
export function endsOf({ senders, receivers }: EdgeGraph, cell: number): { sender: Sender; receiver: Receiver } {
  return { sender: senders[Math.floor(cell / receivers.length)]!, receiver: receivers[cell % receivers.length]! }
}

/** The senders that pass on what a receiver reads: the head of a query, all heads that share a key or value, the MLP; none for the logits. */
export function sendersBehind({ senders, receivers }: EdgeGraph, receiver: Receiver): Sender[] {
  const { as, layer, head } = receiver
  const own = senders.filter((sender) => sender.layer === layer)
  if (receiver.hooks.length === 0) return []
  if (as === 'in') return own.filter(({ kind }) => kind === 'mlp')
  const heads = own.filter(({ kind }) => kind === 'head')
  const readers = receivers.filter((one) => one.layer === layer && one.as === as).length
  // Heads that share a key or value are neighbours.
  const shared = heads.length / readers
  return heads.filter((one) => Math.floor(one.head! / shared) === head)
}

/** The edges of a circuit that lie on a path from the embedding to the logits: the others pass nothing on. */
export function liveEdges(graph: EdgeGraph, circuit: EdgeSet): Set<number> {
  const edges = graph.cells
    .filter((cell) => circuit.has(cell))
    .map((cell) => {
      const { sender, receiver } = endsOf(graph, cell)
      return { cell, from: sender.name, to: sendersBehind(graph, receiver).map(({ name }) => name), receiver }
    })
  // Senders come in the order of the forward pass, so one pass each way is enough.
  const fed = new Set(['embed'])
  for (const { from, to } of edges) if (fed.has(from)) for (const name of to) fed.add(name)
  const heard = new Set<string>()
  for (const { from, to, receiver } of edges.toReversed())
    if (receiver.hooks.length === 0 || to.some((name) => heard.has(name))) heard.add(from)
  return new Set(
    edges
      .filter(
        ({ from, to, receiver }) =>
          fed.has(from) && (receiver.hooks.length === 0 || to.some((name) => heard.has(name))),
      )
      .map(({ cell }) => cell),
  )
}

/**
 * All edges in the order in which a circuit takes them up: always the one with the largest size of score among those whose
 * receiver's part already reaches the logits (Hanna et al. 2403.17806, "greedy"). Every beginning of it is connected to the output.
 */
export function connectedOrder(graph: EdgeGraph, scores: readonly (number | null)[]): number[] {
  const size = (cell: number) => Math.abs(scores[cell]!)
  const left = new Map(
    [...edgesInto(graph)].map(([receiver, cells]) => [receiver, cells.sort((a, b) => size(b) - size(a) || a - b)]),
  )
  const behind = graph.receivers.map((receiver) => [receiver, sendersBehind(graph, receiver)] as const)
  const open = new Set(graph.receivers.filter(({ hooks }) => hooks.length === 0))
  const order: number[] = []
  while (order.length < graph.cells.length) {
    let best: Receiver | undefined
    for (const receiver of open) {
      const [first] = left.get(receiver)!
      if (first === undefined) open.delete(receiver)
      else if (best === undefined || size(first) > size(left.get(best)![0]!)) best = receiver
    }
    const next = left.get(best!)!.shift()!
    order.push(next)
    const { sender } = endsOf(graph, next)
    for (const [receiver, senders] of behind)
      if (senders.includes(sender) && left.get(receiver)!.length > 0) open.add(receiver)
  }
  return order
}

/** The edges into every receiver. */
function edgesInto(graph: EdgeGraph): Map<Receiver, number[]> {
  const into = new Map<Receiver, number[]>(graph.receivers.map((receiver) => [receiver, []]))
  for (const cell of graph.cells) into.get(endsOf(graph, cell).receiver)!.push(cell)
  return into
}

/**
 * A random circuit of at least `size` edges (a few more where the last path needs them), all of them on paths from the embedding to the logits:
 * random walks from the output to the input.
 */
export function randomCircuit(graph: EdgeGraph, size: number, random: () => number): Set<number> {
  const into = edgesInto(graph)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const readersOf = new Map(
    graph.senders.map((sender) => [
      sender,
      graph.receivers.filter((receiver) => sendersBehind(graph, receiver).includes(sender)),
    ]),
  )
  const circuit = new Set<number>()
  const logits = graph.receivers.find(({ hooks }) => hooks.length === 0)!
  while (circuit.size < Math.min(size, graph.cells.length)) {
    for (let receiver: Receiver | undefined = logits; receiver !== undefined; ) {
      const cell: number = pick(into.get(receiver)!)
      circuit.add(cell)
      const readers: Receiver[] = readersOf.get(endsOf(graph, cell).sender)!
      receiver = readers.length === 0 ? undefined : pick(readers)
    }
  }
  return circuit
}
