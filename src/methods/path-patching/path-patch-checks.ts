import type { Edit, Model } from '../../lab/index.ts'
import { ofPrompt } from '../../lab/index.ts'
import type { EdgeRuns } from '../edge-attribution/edge-inputs.ts'
import { allSenders, type Sender, senderHook } from '../edge-attribution/edge-parts.ts'
import { atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices } from '../shared/statistics.ts'
import type { Column, EdgePlan } from './path-patch-plan.ts'
import { given, type PatchedEdges } from './path-patch-sweep.ts'

/** The largest edge, patched once more in separate runs. */
export interface SeparateRun {
  /** `L0H1->L1H0.k` */
  readonly edge: string
  readonly effect: number
  readonly separately: number
}

/**
 * Patches the edge with the largest effect once more, in runs of its own with plain edits: first everything but the sender is held
 * and the receiver's input read off, then the whole target is run with that. Null when no edge has an effect.
 */
export async function patchSeparately(
  model: Model,
  { runs, effects }: PatchedEdges,
  { rows, columns, mediators }: EdgePlan,
  { edits = [], signal }: MethodOptions,
  meter: Meter,
): Promise<SeparateRun | null> {
  const [cell] = largestIndices(effects, 1)
  if (cell === undefined) return null
  const [row, column] = [rows[Math.floor(cell / columns.length)]!, columns[cell % columns.length]!]
  const { route, source, target, pair, targetMetric } = runs
  const positions = (row.positions ?? route.sourceOf.map((_, p) => p)).filter((p) => route.sourceOf[p] !== null)
  const run = async (own: readonly Edit[], capture: readonly string[]) => {
    const all = [...edits, ...own]
    const result = await model.run([route.target.ids], { edits: all, capture, metric: pair.asked.metric, signal })
    meter.addVariants(1, edits)
    return result
  }
  const { sender } = row
  const free = new Set(mediators.map(({ name }) => name))
  const held = allSenders(model.config)
    .filter((part) => part.kind !== 'embed' && !free.has(part.name))
    .map((part) => replaced(part, target))
  const passed: Edit[] = positions.length === 0 ? [] : [{ ...replaced(sender, source), positions }]
  const hooks = column.receivers.flatMap((receiver) => receiver.hooks)
  const first = await run([...held, ...passed], hooks)
  const own = column.receivers
    .filter(({ depth }) => sender.depth < depth)
    .flatMap((receiver) => given(receiver, (hook) => ofPrompt(first.captures[hook]!, 0)))
  const last = hooks.length === 0 ? first : await run(own, [])
  return {
    edge: `${rowName(row)}->${column.name}`,
    effect: effects[cell]!,
    separately: last.metric![0]! - targetMetric,
  }
}

/** A row's sender, with its position where that is its own. */
export function rowName({ sender, position }: EdgePlan['rows'][number]): string {
  return position === null ? sender.name : `${sender.name}@${position}`
}

function replaced(part: Sender, values: EdgeRuns['source']): Edit {
  const hook = senderHook(part)
  const heads = part.head === undefined ? {} : { heads: [part.head] }
  return { hook, kind: 'replace', value: values.get(hook)!, ...heads }
}

/** The part of the difference between the runs by which batched and separate patching may differ. */
const ROUNDING = 1e-3

/** Whether the batched edge is what separate runs give. */
export function separateCheck(found: SeparateRun | null, difference: number): Check {
  const claim = {
    name: 'the largest edge, patched in runs of its own',
    claimed: `its effect differs by at most ${ROUNDING} of the difference between the two runs`,
  }
  if (found === null) return notTested(claim, 'no edge was patched')
  const { edge, effect, separately } = found
  return atMost(
    { ...claim, why: 'all edges are computed together, from inputs that were read off in batches' },
    Math.abs(effect - separately) / Math.abs(difference),
    ROUNDING,
    `${edge}: ${effect.toFixed(4)} together, ${separately.toFixed(4)} by itself`,
  )
}

/** The part of the difference between the runs that the sum of a receiver's edges may miss. */
const SUM_GAP = 0.1

/** Whether the edges into a receiver add up to what patching its whole input does. */
export function sumCheck(
  columns: readonly Column[],
  effects: readonly (number | null)[],
  whole: readonly (number | null)[],
  difference: number,
  whyNot: string | null,
): Check {
  const claim = {
    name: "edges into a receiver add up to its whole input's effect",
    claimed: `the sum over senders differs from patching the whole input by at most ${SUM_GAP} of the difference between the two runs`,
  }
  if (whyNot !== null) return notTested(claim, whyNot)
  const sums = columns.map((_, c) =>
    effects.reduce<number>((s, x, i) => (i % columns.length === c ? s + (x ?? 0) : s), 0),
  )
  const gaps = sums.map((sum, c) => (whole[c] == null ? null : Math.abs(sum - whole[c]) / Math.abs(difference)))
  const [worst] = largestIndices(gaps, 1)
  if (worst === undefined) return notTested(claim, 'no whole input was patched')
  const over = gaps.filter((gap) => gap !== null && !(gap <= SUM_GAP)).length
  return judged(
    {
      ...claim,
      why: 'where they do not, senders work together (AND) or stand in for each other (OR): no single edge tells what they do jointly',
    },
    `${over} of ${columns.length} receivers differ; most ${columns[worst]!.name}: edges ${sums[worst]!.toFixed(3)}, whole input ${whole[worst]!.toFixed(3)}`,
    SUM_GAP,
    over === 0,
  )
}
