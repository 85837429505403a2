import { throwIfAborted } from '../../errors/index.ts'
import type { ArrayValue, EditFunction, Model } from '../../lab/index.ts'
import { ofPrompt } from '../../lab/index.ts'
import { norm } from '../../models/parts/norm.ts'
import { concat, einsum, type Tensor, tensor } from '../../tensor/index.ts'
import { senderHook, senderHooks } from '../edge-attribution/edge-parts.ts'
import {
  allReadings,
  isNormed,
  plainForward,
  positionHooks,
  type Reading,
  readBy,
} from '../edge-attribution/edge-readings.ts'
import type { PreparedPair } from '../patching/prompt-pair.ts'
import type { MethodOptions } from '../shared/options.ts'
import { withTracedEdits } from '../shared/own-edits.ts'
import type { Meter } from '../shared/result.ts'
import type { EdgeGraph, EdgeSet } from './edge-graph.ts'

/** A pair of prompts with what both runs hold. */
export interface CircuitPair {
  readonly pair: PreparedPair
  /** What senders write, by hook: [P, ...]. */
  readonly clean: ReadonlyMap<string, ArrayValue>
  /** The same, the residual streams that receivers read, and (shortformer) position embeddings. */
  readonly corrupt: ReadonlyMap<string, ArrayValue>
  /** The clean run's logits at the last position. */
  readonly cleanLogits: Float32Array
  readonly cleanMetric: number
  readonly corruptMetric: number
}

/** What a circuit does on a pair. */
export interface CircuitOutcome {
  readonly metric: number
  /** KL from the clean run's prediction to the circuit's, at the last position, in nats. */
  readonly kl: number
}

/** Runs both prompts of a pair, and keeps what edges pass on. */
export async function circuitPair(
  model: Model,
  pair: PreparedPair,
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<CircuitPair> {
  const held = senderHooks(model.config)
  const streams = [...new Set(allReadings(model).map(({ stream }) => stream)), ...positionHooks(model)]
  const { metric } = pair.asked
  const run = (ids: readonly number[], capture: readonly string[]) =>
    meter.run([ids], { capture, metric, edits, signal, positions: 'last' })
  const clean = await run(pair.clean.ids, held)
  const corrupt = await run(pair.corrupt.ids, [...held, ...streams])
  const taken = ({ captures }: typeof clean) =>
    new Map(Object.entries(captures).map(([hook, activation]) => [hook, ofPrompt(activation, 0)]))
  return {
    pair,
    clean: taken(clean),
    corrupt: taken(corrupt),
    cleanLogits: clean.logits!.data as Float32Array,
    cleanMetric: clean.metric![0]!,
    corruptMetric: corrupt.metric![0]!,
  }
}

/** Circuits that are run together. Always this many (the last ones repeated), so that all batches of a pair are one graph. */
export const ROWS = 16
/** Memory for what senders write in a batch. */
const BYTES = 256 * 1024 ** 2

/** How many circuits of a pair one batch holds. */
export function circuitsPerBatch({ config }: Model, { senders, receivers }: EdgeGraph, { pair }: CircuitPair): number {
  const widest = Math.max(...senders.map(({ layer }) => receivers.filter((one) => one.layer === layer).length))
  const perRow = 4 * pair.corrupt.ids.length * config.d_model * (2 * senders.length + 2 * widest)
  return Math.max(1, Math.min(ROWS, Math.floor(BYTES / perRow)))
}

/**
 * Runs the corrupted prompt once per circuit: along a circuit's edges every receiver reads what the sender writes in that very run (the
 * embedding: what it is in the clean prompt), along all others what the sender writes in the corrupted run. Exact: norms and attention are
 * computed anew. Which edges are a circuit's is an input of the graph.
 */
export async function runCircuits(
  model: Model,
  graph: EdgeGraph,
  runs: CircuitPair,
  circuits: readonly EdgeSet[],
  { edits = [], signal }: MethodOptions,
  meter: Meter,
): Promise<CircuitOutcome[]> {
  const perBatch = circuitsPerBatch(model, graph, runs)
  const outcomes: CircuitOutcome[] = []
  for (let at = 0; at < circuits.length; at += perBatch) {
    throwIfAborted(signal)
    const batch = circuits.slice(at, at + perBatch)
    const rows = Array.from({ length: perBatch }, (_, i) => batch[Math.min(i, batch.length - 1)]!)
    const { reads, writes } = traceEdges(model, graph, runs, rows)
    const result = await model.run(
      rows.map(() => runs.pair.corrupt.ids),
      {
        metric: runs.pair.asked.metric,
        edits: withTracedEdits(model, edits, writes, reads),
        readout: { reads: [], trace: ({ logits }) => ({ kl: klFrom(runs.cleanLogits, logits) }) },
        signal,
      },
    )
    meter.addVariants(batch.length, edits)
    batch.forEach((_, i) => {
      outcomes.push({ metric: result.metric![i]!, kl: Number(result.readout.kl![i]!.data[0]) })
    })
  }
  return outcomes
}

/** KL(reference || logits [n, P, V] at the last position), [n]. */
function klFrom(reference: Float32Array, logits: Tensor): Tensor {
  const now = logits.get(':', -1).logSoftmax()
  const then = tensor(reference, [1, reference.length]).logSoftmax()
  return then.exp().mul(then.sub(now)).sum(-1)
}

/** What the senders of a layer add to the stream beside what they add in the corrupted run. */
interface Written {
  /** Their rows of the graph. */
  readonly senders: readonly number[]
  /** [n, senders, P, d] */
  readonly changes: Tensor
  /** Of heads whose sum goes through a norm: that norm, and the sum in the corrupted run [P, d]. */
  readonly behind?: { readonly norm: string; readonly sum: Tensor }
}

/** Edits that make every receiver read along a circuit's edges, before all others, and edits that take down what senders write, after them. */
function traceEdges(model: Model, graph: EdgeGraph, runs: CircuitPair, circuits: readonly EdgeSet[]) {
  const { config, weights } = model
  const forward = plainForward(model)
  const { senders, receivers } = graph
  const n = circuits.length
  const held = (hook: string) => own(runs.corrupt.get(hook)!)
  const embed = own(runs.clean.get('hook_embed')!).sub(held('hook_embed')).unsqueeze(0).unsqueeze(0)
  const [length, width] = embed.shape.slice(2) as [number, number]
  // What heads write is added up by receiver at once, where no norm stands between.
  let linear: Written = { senders: [0], changes: embed.broadcast(n, 1, length, width) }
  const normed: Written[] = []
  const add = (written: Written) => {
    if (written.behind) normed.push(written)
    else
      linear = {
        senders: [...linear.senders, ...written.senders],
        changes: concat([linear.changes, written.changes], 1),
      }
  }

  const writes = new Map<string, EditFunction>()
  for (const hook of senderHooks(config)) {
    const rows = senders.flatMap((sender, s) => (senderHook(sender) === hook ? [s] : []))
    const { kind, layer } = senders[rows[0]!]!
    if (kind === 'embed') continue
    writes.set(hook, (x) => {
      const change = x.sub(held(hook))
      if (kind === 'mlp') add({ senders: rows, changes: change.unsqueeze(1) })
      else {
        const output = weights.tensor(`blocks.${layer}.attn.W_O`)
        const changes = einsum('nphe,hed->nhpd', change, output)
        const product = einsum('phe,hed->pd', held(hook), output)
        const bias = `blocks.${layer}.attn.b_O`
        const sum = weights.has(bias) ? product.add(weights.tensor(bias)) : product
        add({
          senders: rows,
          changes,
          ...(config.post_norms ? { behind: { norm: `blocks.${layer}.ln1_post`, sum } } : {}),
        })
      }
      return x
    })
  }

  /** Which of the senders the receivers read in the run itself, [n, receivers, senders] as 0 and 1. */
  const mask = (from: readonly number[], to: readonly number[]) =>
    tensor(
      Float32Array.from(
        circuits.flatMap((circuit) =>
          to.flatMap((r) => from.map((s) => (circuit.has(s * receivers.length + r) ? 1 : 0))),
        ),
      ),
      [n, to.length, from.length],
    )
  const along = ({ senders: from, changes }: Written, to: readonly number[]) =>
    einsum('nrs,nspd->nrpd', mask(from, to), changes)
  /** What receivers see of the stream, [n, receivers, P, d]. */
  const seen = ({ stream, norm: name }: Reading, to: readonly number[]): Tensor => {
    let x = held(stream).add(along(linear, to))
    for (const written of normed) {
      const { norm: post, sum } = written.behind!
      x = x.add(norm(forward, post, sum.add(along(written, to)))).sub(norm(forward, post, sum))
    }
    return isNormed(config, name) ? norm(forward, name, x) : x
  }

  const reads = new Map<string, EditFunction>()
  for (const reading of allReadings(model)) {
    const to = receivers.flatMap(({ hooks }, r) =>
      hooks.length === 0
        ? reading.parts[0]!.weight === null
          ? [r]
          : []
        : hooks[0] === reading.parts[0]!.hook
          ? [r]
          : [],
    )
    let once: Tensor | undefined
    for (const part of reading.parts) {
      reads.set(part.hook, () => {
        once ??= seen(reading, to)
        return readBy(model, part, once, positionHooks(model).length > 0 ? held('hook_pos_embed') : null)
      })
    }
  }
  return { reads, writes }
}

const own = ({ data, shape }: ArrayValue): Tensor => tensor(data as Float32Array, shape)
