import type { ArrayValue, Edit, Model } from '../../lab/index.ts'
import { type EdgeRuns, type ReceiverInputs, receiverInputs, rowsPerBatch } from '../edge-attribution/edge-inputs.ts'
import { type Receiver, reaches, type Sender } from '../edge-attribution/edge-parts.ts'
import { unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { type Swept, sweep, sweepKeepingDone } from '../shared/sweep.ts'
import type { Column, EdgePlan, PlannedRow } from './path-patch-plan.ts'

/** What patching every edge of one pair in one direction did. */
export interface PatchedEdges {
  readonly runs: EdgeRuns
  /** Changes of the metric in row-major order; null where the sender does not reach the receiver, or not done. */
  readonly effects: readonly (number | null)[]
  /** The change when a column's whole input comes from the source run; null when not done. */
  readonly whole: readonly (number | null)[]
  readonly complete: boolean
}

/**
 * Patches all edges of a plan. A batch of rows is run once for what every receiver would read; then every edge is a variant of
 * the target run whose receiver reads that, and whose other parts go on from there.
 */
export async function patchEdges(
  model: Model,
  runs: EdgeRuns,
  plan: EdgePlan,
  options: MethodOptions,
  meter: Meter,
  onPart?: (part: PatchedEdges) => void,
): Promise<PatchedEdges> {
  const { rows, columns, receivers, mediators } = plan
  const effects = new Array<number | null>(rows.length * columns.length).fill(null)
  const none = columns.map(() => null)
  const perBatch = rowsPerBatch(runs, receivers)
  const target = runs.route.target.ids
  const { metric } = runs.pair.asked
  const batch = async (from: number): Promise<boolean> => {
    const chunk = rows.slice(from, from + perBatch)
    const inputs = await receiverInputs(model, runs, chunk, receivers, mediators, options, meter)
    const edges: { cell: number; edits: Edit[] }[] = []
    chunk.forEach((row, i) => {
      columns.forEach((column, c) => {
        const cell = (from + i) * columns.length + c
        if (isLogits(column)) effects[cell] = inputs.metric[i]! - runs.targetMetric
        else {
          const edits = inputEdits(column, row, i, inputs, runs, mediators.length > 0)
          if (edits.length > 0) edges.push({ cell, edits })
        }
      })
    })
    if (edges.length === 0) return true
    const take = ({ base, values }: Swept) => {
      edges.forEach(({ cell }, i) => {
        effects[cell] = Number.isNaN(values[i]!) ? null : values[i]! - base
      })
    }
    const onSwept =
      onPart &&
      ((swept: Swept) => {
        take(swept)
        onPart({ runs, effects: [...effects], whole: none, complete: false })
      })
    const variants = edges.map(({ edits }) => edits)
    const swept = await sweepKeepingDone(model, target, variants, metric, options, meter, onSwept)
    take(swept)
    return swept.complete
  }
  for (let from = 0; from < rows.length; from += perBatch) {
    // Without any batch there is nothing to keep, and the abort goes on.
    const done = from === 0 ? await batch(from) : await unlessCancelled(options.signal, () => batch(from))
    if (!done) return { runs, effects, whole: none, complete: false }
  }
  const whole = await unlessCancelled(options.signal, () => wholeInputs(model, runs, columns, options, meter))
  return { runs, effects, whole: whole ?? none, complete: whole !== null }
}

const isLogits = ({ receivers }: Column): boolean => receivers.length === 1 && receivers[0]!.hooks.length === 0

/** The edits that give the receivers of a column what they read in a row; empty when the sender reaches none of them. */
function inputEdits(
  { receivers }: Column,
  { sender, positions: asked }: PlannedRow,
  row: number,
  { reads }: ReceiverInputs,
  { route, first }: EdgeRuns,
  mediated: boolean,
): Edit[] {
  const from = Math.max(first, asked === undefined ? 0 : Math.min(...asked))
  const length = route.target.ids.length
  // What a receiver reads at a position changes only there, unless something between carries it on.
  const changed = mediated || asked === undefined ? Array.from({ length: length - from }, (_, i) => from + i) : asked
  const positions = changed.length === length ? undefined : changed
  return receivers
    .filter((receiver) => reaches(sender, receiver))
    .flatMap((receiver) => given(receiver, (hook) => reads.get(hook)![row]!, positions))
}

/** The edits that make a receiver read something else. */
export function given(receiver: Receiver, value: (hook: string) => ArrayValue, positions?: readonly number[]): Edit[] {
  const { hooks, head } = receiver
  return hooks.map((hook) => ({
    hook,
    kind: 'replace',
    value: value(hook),
    ...(head === undefined ? {} : { heads: [head] }),
    ...(positions === undefined ? {} : { positions }),
  }))
}

/** The effects of some single edges, in their order; throws the abort when cancelled. */
export async function patchChosen(
  model: Model,
  runs: EdgeRuns,
  edges: readonly { readonly sender: Sender; readonly receiver: Receiver }[],
  positions: readonly number[] | undefined,
  options: MethodOptions,
  meter: Meter,
): Promise<number[]> {
  const senders = [...new Set(edges.map(({ sender }) => sender))]
  const receivers = [...new Set(edges.map(({ receiver }) => receiver))]
  const rows = senders.map((sender): PlannedRow => ({ sender, senders: [sender], position: null, positions }))
  const inputs = await receiverInputs(model, runs, rows, receivers, [], options, meter)
  const columns = edges.map(({ receiver }): Column => ({ name: receiver.name, receivers: [receiver] }))
  const rowOf = (edge: number) => senders.indexOf(edges[edge]!.sender)
  const swept = edges.flatMap((_, edge) => (isLogits(columns[edge]!) ? [] : [edge]))
  const variants = swept.map((edge) => inputEdits(columns[edge]!, rows[rowOf(edge)]!, rowOf(edge), inputs, runs, false))
  const { route, pair, targetMetric } = runs
  const { base, values } =
    variants.length === 0
      ? { base: 0, values: [] }
      : await sweep(model, route.target.ids, variants, pair.asked.metric, options, meter)
  return edges.map((_, edge) =>
    isLogits(columns[edge]!) ? inputs.metric[rowOf(edge)]! - targetMetric : values[swept.indexOf(edge)]! - base,
  )
}

/** The change of the metric when all that a column reads is the source run's. */
async function wholeInputs(
  model: Model,
  { route, source, sourceMetric, targetMetric, pair }: EdgeRuns,
  columns: readonly Column[],
  options: MethodOptions,
  meter: Meter,
): Promise<number[]> {
  const positions = route.sourceOf.flatMap((from, p) => (from === null ? [] : [p]))
  const region = positions.length === route.sourceOf.length ? undefined : positions
  const swept = columns.filter((column) => !isLogits(column))
  const variants = swept.map(({ receivers }) =>
    receivers.flatMap((receiver) => given(receiver, (hook) => source.get(hook)!, region)),
  )
  const { base, values } =
    variants.length === 0
      ? { base: 0, values: [] }
      : await sweep(model, route.target.ids, variants, pair.asked.metric, options, meter)
  return columns.map((column) =>
    isLogits(column) ? sourceMetric - targetMetric : values[swept.indexOf(column)]! - base,
  )
}
