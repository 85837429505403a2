import { throwIfAborted } from '../../errors/index.ts'
import type { Activation, EditFunction, Model } from '../../lab/index.ts'
import { ofPrompt } from '../../lab/index.ts'
import { norm } from '../../models/parts/norm.ts'
import { einsum, sizeOf, type Tensor, tensor } from '../../tensor/index.ts'
import { type ReadAs, type Sender, senderHook } from '../edge-attribution/edge-parts.ts'
import { allReadings, isNormed, plainForward, positionHooks, readBy } from '../edge-attribution/edge-readings.ts'
import type { MethodOptions } from '../shared/options.ts'
import { withTracedEdits } from '../shared/own-edits.ts'
import type { Meter } from '../shared/result.ts'
import type { DrawnNode, DrawnTree } from './scrub-tree.ts'

/** What one part writes, a row per sample: [P, width] each. */
type Held = ReadonlyMap<Sender, readonly Float32Array[]>

/** The data, run as they are. */
export interface PlainRuns {
  readonly ids: readonly (readonly number[])[]
  /** What the parts of nodes without inputs write, by part, a row per example. */
  readonly held: Held
  /** Logits at the last position. */
  readonly logits: readonly Float32Array[]
}

/** Rows of one run; all but the last of a longer list are this many. */
const ROWS = 64

/** Runs all examples, and keeps what parts of nodes without inputs write. */
export async function plainRuns(
  ids: readonly (readonly number[])[],
  senders: readonly Sender[],
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<PlainRuns> {
  const held = new Map(senders.map((sender) => [sender, [] as Float32Array[]] as const))
  const logits: Float32Array[] = []
  const capture = [...new Set(senders.map(senderHook))]
  for (let at = 0; at < ids.length; at += ROWS) {
    throwIfAborted(signal)
    const chunk = ids.slice(at, at + ROWS)
    const run = await meter.run(chunk, { capture, edits, signal, positions: 'last' })
    chunk.forEach((_, row) => {
      logits.push(ofPrompt(run.logits!, row).data as Float32Array)
      for (const [sender, rows] of held) rows.push(partOf(run.captures[senderHook(sender)]!, row, sender))
    })
  }
  return { ids, held, logits }
}

/** The logits of every sample in which only what the hypothesis names is as it was. */
export async function scrubbedLogits(
  model: Model,
  plain: PlainRuns,
  { others, inputs }: DrawnTree,
  options: MethodOptions,
  meter: Meter,
): Promise<Float32Array[]> {
  const given: GivenInput[] = []
  for (const input of inputs) given.push({ drawn: input, held: await heldBy(model, plain, input, options, meter) })
  const reading = allReadings(model).length - 1
  const logits: Float32Array[] = []
  await inBatches(model, plain, others, given, [reading], [], options, meter, ({ logits: last }, row) => {
    logits.push(ofPrompt(last!, row).data as Float32Array)
  })
  return logits
}

interface GivenInput {
  readonly drawn: Pick<DrawnNode, 'node' | 'as'>
  readonly held: Held
}

/** What the parts of a node write in every sample: taken from their donors, or computed from their own drawn inputs. */
async function heldBy(
  model: Model,
  plain: PlainRuns,
  { node, donors, others, inputs }: DrawnNode,
  options: MethodOptions,
  meter: Meter,
): Promise<Held> {
  if (node.inputs === null)
    return new Map(node.senders.map((sender) => [sender, donors.map((donor) => plain.held.get(sender)![donor]!)]))
  const given: GivenInput[] = []
  for (const input of inputs) given.push({ drawn: input, held: await heldBy(model, plain, input, options, meter) })
  const [{ kind, layer }] = node.senders as [Sender, ...Sender[]]
  const wanted = kind === 'mlp' ? /\.mlp\./ : /\.attn\./
  const readings = allReadings(model).flatMap(({ parts }, i) =>
    parts.some(({ hook }) => hook.startsWith(`blocks.${layer}.`) && wanted.test(hook)) ? [i] : [],
  )
  const hook = senderHook(node.senders[0]!)
  const held = new Map(node.senders.map((sender) => [sender, [] as Float32Array[]] as const))
  await inBatches(model, plain, others, given, readings, [hook], options, meter, ({ captures }, row) => {
    for (const [sender, rows] of held) rows.push(partOf(captures[hook]!, row, sender))
  })
  return held
}

type Output = Awaited<ReturnType<Model['run']>>

/**
 * Runs the examples `others`, a row per sample; at the readings named, the stream holds, for the inputs' parts at their positions, what they are
 * given in place of what they write in that row. Norms are computed anew.
 */
async function inBatches(
  model: Model,
  plain: PlainRuns,
  others: readonly number[],
  given: readonly GivenInput[],
  readings: readonly number[],
  capture: readonly string[],
  { edits = [], signal }: MethodOptions,
  meter: Meter,
  take: (run: Output, row: number) => void,
): Promise<void> {
  for (let at = 0; at < others.length; at += ROWS) {
    throwIfAborted(signal)
    const rows = Array.from({ length: Math.min(ROWS, others.length - at) }, (_, i) => at + i)
    const { reads, writes } = traceInputs(model, plain.ids[0]!.length, given, rows, readings)
    const run = await model.run(
      rows.map((row) => plain.ids[others[row]!]!),
      {
        capture,
        edits: withTracedEdits(model, edits, writes, reads),
        signal,
        positions: capture.length === 0 ? 'last' : 'none',
      },
    )
    meter.addVariants(rows.length, edits)
    rows.forEach((_, row) => {
      take(run, row)
    })
  }
}

/** Edits that take down streams and what parts write, and edits that make readings see given inputs. */
function traceInputs(
  model: Model,
  length: number,
  given: readonly GivenInput[],
  rows: readonly number[],
  readings: readonly number[],
) {
  const seen = new Map<string, Tensor>()
  const streams = readings.map((i) => allReadings(model)[i]!.stream)
  const senders = given.flatMap(({ drawn }) => drawn.node.senders)
  const writes = new Map<string, EditFunction>(
    [...new Set([...streams, ...senders.map(senderHook), ...positionHooks(model)])].map((hook) => [
      hook,
      (x) => {
        seen.set(hook, x)
        return x
      },
    ]),
  )
  /** What the inputs that are read so add to the stream, [n, P, d]; null where there are none. */
  const change = (as: ReadAs): Tensor | null => {
    const parts = given
      .filter(({ drawn }) => drawn.as.includes(as))
      .flatMap(({ drawn, held }) =>
        drawn.node.senders.map((sender) => [sender, drawn.node.positions, held.get(sender)!] as const),
      )
    const changes = parts.map(([sender, positions, values]) => {
      const own = seen.get(senderHook(sender))!
      const mine = sender.head === undefined ? own : own.get(':', ':', sender.head)
      const width = mine.shape[2]!
      const value = tensor(joined(rows.map((row) => values[row]!)), [rows.length, length, width])
      const here = Float32Array.from({ length }, (_, p) => (positions.includes(p) ? 1 : 0))
      const moved = value.sub(mine).mul(tensor(here, [1, length, 1]))
      if (sender.head === undefined) return moved
      const output = model.weights.tensor(`blocks.${sender.layer}.attn.W_O`).get(sender.head)
      return einsum('npe,ed->npd', moved, output)
    })
    return changes.length === 0 ? null : changes.reduce((a, b) => a.add(b))
  }
  const reads = new Map<string, EditFunction>()
  for (const i of readings) {
    const { stream, norm: name, parts } = allReadings(model)[i]!
    for (const part of parts) {
      const as = /hook_([qkv])$/.exec(part.hook)?.[1] as ReadAs | undefined
      reads.set(part.hook, (x) => {
        const added = change(as ?? 'in')
        if (added === null) return x
        const changed = seen.get(stream)!.add(added)
        const normed = isNormed(model.config, name) ? norm(plainForward(model), name, changed) : changed
        const positions = positionHooks(model).map((hook) => seen.get(hook)!.unsqueeze(1))[0] ?? null
        return readBy(model, part, normed.unsqueeze(1), positions)
      })
    }
  }
  return { reads, writes }
}

/** A prompt's values of one part, [P, width]: of heads their own only. */
function partOf(activation: Activation, prompt: number, { head }: Sender): Float32Array {
  const { shape, data } = ofPrompt(activation, prompt)
  if (head === undefined) return data as Float32Array
  const [length, heads, width] = shape as [number, number, number]
  const own = new Float32Array(length * width)
  for (let p = 0; p < length; p++) {
    const from = (p * heads + head) * width
    own.set(data.subarray(from, from + width) as Float32Array, p * width)
  }
  return own
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(sizeOf([parts.length, parts[0]!.length]))
  parts.forEach((part, i) => {
    all.set(part, i * part.length)
  })
  return all
}
