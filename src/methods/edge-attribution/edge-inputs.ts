import { type ArrayValue, type EditFunction, type Model, ofPrompt } from '../../lab/index.ts'
import { sizeOf, tensor } from '../../tensor/index.ts'
import { type Direction, type PreparedPair, type Route, routeOf, sourceValues } from '../patching/prompt-pair.ts'
import type { MethodOptions } from '../shared/options.ts'
import { withTracedEdits } from '../shared/own-edits.ts'
import type { Meter } from '../shared/result.ts'
import { type Receiver, type Sender, senderHook, senderHooks } from './edge-parts.ts'

/** Two runs: the source gives what senders hold, the target's other parts stay as they are. */
export interface EdgeRuns {
  readonly pair: PreparedPair
  readonly direction: Direction
  readonly route: Route
  /** What senders hold and receivers read, by hook: [P, ...] with the target's positions. */
  readonly source: ReadonlyMap<string, ArrayValue>
  readonly target: ReadonlyMap<string, ArrayValue>
  readonly sourceMetric: number
  readonly targetMetric: number
  /** The first position at which the runs can differ. */
  readonly first: number
}

/** Some senders that pass on what they hold in the source run, together, at some positions (all unless said). */
export interface SenderRow {
  readonly senders: readonly Sender[]
  readonly positions?: readonly number[] | undefined
}

/** Runs both prompts of a pair, and keeps what edges start and end with. */
export async function edgeRuns(
  model: Model,
  pair: PreparedPair,
  direction: Direction,
  receivers: readonly Receiver[],
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<EdgeRuns> {
  const route = routeOf(pair, direction)
  const hooks = [...new Set([...senderHooks(model.config), ...receivers.flatMap((receiver) => receiver.hooks)])]
  const { metric } = pair.asked
  const run = (ids: readonly number[]) => meter.run([ids], { capture: hooks, metric, edits, signal })
  const from = await run(route.source.ids)
  const into = await run(route.target.ids)
  return {
    pair,
    direction,
    route,
    source: new Map(hooks.map((hook) => [hook, sourceValues(from.captures[hook]!, route)])),
    target: new Map(hooks.map((hook) => [hook, ofPrompt(into.captures[hook]!, 0)])),
    sourceMetric: from.metric![0]!,
    targetMetric: into.metric![0]!,
    first: firstDifference(route, edits),
  }
}

/** The first position of the target at which the runs of a route can differ (attention is causal); 0 when they do not, or are edited. */
export function firstDifference({ source, target, sourceOf }: Route, edits: MethodOptions['edits']): number {
  const differs = (from: number | null, p: number) => from !== p || source.ids[p] !== target.ids[p]
  // An edit's values may come from the whole prompt: with edits, any position can differ.
  return edits && edits.length > 0 ? 0 : Math.max(0, sourceOf.findIndex(differs))
}

/** What receivers read in every row, by hook, and the metric of every row: what reaches the logits with nothing else moving. */
export interface ReceiverInputs {
  readonly reads: ReadonlyMap<string, readonly ArrayValue[]>
  readonly metric: readonly number[]
}

/**
 * Runs the target once per row, all rows in one batch: the row's senders hold what they hold in the source run, and all other
 * parts, but for `mediators`, what they hold in the target run. Norms are computed anew, so nothing is linearised.
 */
export async function receiverInputs(
  model: Model,
  runs: EdgeRuns,
  rows: readonly SenderRow[],
  receivers: readonly Receiver[],
  mediators: readonly Sender[],
  { edits = [], signal }: MethodOptions,
  meter: Meter,
): Promise<ReceiverInputs> {
  const { target } = runs.route
  const capture = [...new Set(receivers.flatMap(({ hooks }) => hooks))]
  const frozen = new Map(
    senderHooks(model.config).map((hook) => [hook, heldInPlace(runs, rows, hook, mediators)] as const),
  )
  const run = await model.run(
    rows.map(() => target.ids),
    { capture, metric: runs.pair.asked.metric, edits: withTracedEdits(model, edits, frozen), signal },
  )
  meter.addVariants(rows.length, edits)
  return {
    reads: new Map(capture.map((hook) => [hook, rows.map((_, row) => ofPrompt(run.captures[hook]!, row))])),
    metric: run.metric!,
  }
}

/** Memory for what receivers read in a batch of rows. */
const BYTES = 256 * 1024 ** 2

/** How many rows go into one batch. */
export function rowsPerBatch({ target }: EdgeRuns, receivers: readonly Receiver[]): number {
  const hooks = new Set([...receivers.flatMap((receiver) => receiver.hooks), ...target.keys()])
  const perRow = [...hooks].reduce((sum, hook) => sum + 4 * sizeOf(target.get(hook)!.shape), 0)
  return Math.max(1, Math.floor(BYTES / perRow))
}

/** The edit of a hook that holds its senders: each row's own at their source values, mediators free, the others at the target's. */
function heldInPlace(
  { source, target, route, first }: EdgeRuns,
  rows: readonly SenderRow[],
  hook: string,
  mediators: readonly Sender[],
): EditFunction {
  const [from, into] = [source.get(hook)!, target.get(hook)!]
  const length = into.shape[0]!
  const heads = into.shape.length === 3 ? into.shape[1]! : 1
  const isHere = (sender: Sender) => senderHook(sender) === hook
  // [n, P, H] as 0 and 1, H = 1 for what has no heads
  const passed = new Uint8Array(rows.length * length * heads)
  rows.forEach(({ senders, positions }, row) => {
    for (const { head = 0 } of senders.filter(isHere)) {
      for (const position of positions ?? Array.from({ length }, (_, p) => p)) {
        if (position >= first && route.sourceOf[position] !== null) {
          passed[(row * length + position) * heads + head] = 1
        }
      }
    }
  })
  const free = new Uint8Array(heads)
  for (const { head = 0 } of mediators.filter(isHere)) free[head] = 1
  const features = into.shape.length === 3 ? [heads, 1] : [1]
  const own = (value: ArrayValue) => tensor(value.data as Float32Array, [1, ...value.shape])
  return (x) => {
    const others = hook === 'hook_embed' || free.every((one) => one === 1) ? x : own(into)
    const held = others !== x && free.includes(1) ? tensor(free, features, 'bool').where(x, others) : others
    return tensor(passed, [rows.length, length, ...features], 'bool').where(own(from), held)
  }
}
