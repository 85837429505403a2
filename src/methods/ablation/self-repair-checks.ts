import type { Model } from '../../lab/index.ts'
import { atMost, type Check, judged, notTested } from '../shared/checks.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, mean } from '../shared/statistics.ts'
import { sweep } from '../shared/sweep.ts'
import type { AblationKind, Part } from './ablation-parts.ts'
import { componentOf, type Repair, type Repairs, repairs } from './self-repair-runs.ts'

const TOP = 3
/** Effects below this share of the largest are not looked at: shares of them would be rounding. */
const NEGLIGIBLE = 0.02
/** By how much the parts of the total effect may miss it, as a share of the logit difference: rounding. */
const SUM_GAP = 1e-3
/** How far the total effect may be from the direct one, as a share of it: about what the norm alone is known to repair. */
const REPAIRED = 0.3
/** How much of an effect the final norm's rescaling may make. */
const RESCALED = 0.1
/** How many times the repair may differ between two kinds of ablation. */
const KINDS_DIFFER = 2

/** What the first of several questions, or the mean of them, is checked for. */
export async function repairChecks(
  model: Model,
  parts: readonly Part[],
  results: readonly Repairs[],
  intervals: { readonly low: readonly (number | null)[] | null; readonly high: readonly (number | null)[] | null },
  kind: AblationKind,
  options: MethodOptions,
  meter: Meter,
): Promise<Check[]> {
  const first = results[0]!
  const means = parts.map((_, i): Repair => {
    const all = results.map((one) => one.parts[i]!)
    const of = (key: 'direct' | 'total' | 'norm') => mean(all.map((one) => one[key]))
    return { direct: of('direct'), total: of('total'), norm: of('norm'), changes: [] }
  })
  const size = ({ direct, total }: Repair) => Math.max(Math.abs(direct), Math.abs(total))
  const largest = Math.max(...means.map(size))
  const top = largestIndices(means.map(size), TOP).filter((i) => size(means[i]!) > NEGLIGIBLE * largest)
  const named = (i: number) => componentOf(parts[i]!)
  return [
    sumCheck(results),
    await rerunCheck(model, parts, first, kind, options, meter),
    predictionCheck(top.map((i) => ({ name: named(i), repair: means[i]! }))),
    normCheck(top.map((i) => ({ name: named(i), repair: means[i]! }))),
    await kindsCheck(model, parts, first, top, kind, options, meter),
    intervalsCheck(
      top.filter((i) => Math.abs(means[i]!.total - means[i]!.direct) > RESCALED * size(means[i]!)),
      named,
      intervals,
      results.length,
    ),
  ]
}

/** Whether direct effects, changes and the norm's part make up the measured total effect. */
function sumCheck(results: readonly Repairs[]): Check {
  const gaps = results.flatMap(({ whole, parts }) =>
    parts.map((part) => {
      const sum = part!.changes.reduce((a, b) => a + b, 0) + part!.norm
      return Math.abs(sum - part!.total) / Math.max(1, Math.abs(whole.total))
    }),
  )
  return atMost(
    {
      name: 'changes and rescaling add up to the total effect',
      claimed: `they differ from the measured change by at most ${SUM_GAP} of the logit difference`,
      why: 'otherwise something that acts on the logits is missing from the sum, such as an edit behind the residual stream',
    },
    Math.max(...gaps),
    SUM_GAP,
  )
}

/** The largest total effect once more, as a variant of the engine's sweep. */
async function rerunCheck(
  model: Model,
  parts: readonly Part[],
  { question, source, whole, parts: found }: Repairs,
  kind: AblationKind,
  options: MethodOptions,
  meter: Meter,
): Promise<Check> {
  const claim = {
    name: 'the largest total effect, run by itself',
    claimed: `it differs by at most ${SUM_GAP} of the logit difference`,
  }
  const [i] = largestIndices(
    found.map((one) => one!.total),
    1,
  )
  if (model.config.logit_softcap)
    return notTested(claim, 'this model caps its logits softly, and the effects here are before the cap')
  const variants = source.draws(parts[i!]!, kind).map((edit) => [edit])
  const { base, values } = await sweep(model, question.prompt.ids, variants, question.metric, options, meter)
  const [together, alone] = [found[i!]!.total, mean(values) - base]
  return atMost(
    { ...claim, why: 'all parts are ablated together, in one batch' },
    Math.abs(together - alone) / Math.max(1, Math.abs(whole.total)),
    SUM_GAP,
    `${componentOf(parts[i!]!)}: ${together.toFixed(4)} together, ${alone.toFixed(4)} by itself`,
  )
}

interface NamedRepair {
  readonly name: string
  readonly repair: Repair
}

function predictionCheck(top: readonly NamedRepair[]): Check {
  const claim = {
    name: 'direct effects predict total effects',
    claimed: `of the ${TOP} largest, total and direct effect differ by at most ${REPAIRED} of the larger one`,
  }
  if (top.length === 0) return notTested(claim, 'no part has an effect')
  const missed = top.filter(({ repair: { direct, total } }) => {
    return Math.abs(total - direct) > REPAIRED * Math.max(Math.abs(direct), Math.abs(total))
  })
  return atMost(
    {
      ...claim,
      why: 'otherwise later components read the part, erase it or stand in for it: `compensators` names them',
    },
    missed.length,
    0,
    top
      .map(({ name, repair }) => `${name}: direct ${repair.direct.toFixed(3)}, total ${repair.total.toFixed(3)}`)
      .join('; '),
  )
}

function normCheck(top: readonly NamedRepair[]): Check {
  const claim = {
    name: 'the final norm repairs little',
    claimed: `of the ${TOP} largest effects, rescaling makes at most ${RESCALED} of the larger of direct and total effect`,
  }
  if (top.length === 0) return notTested(claim, 'no part has an effect')
  const shareOf = ({ repair: { norm, direct, total } }: NamedRepair) =>
    Math.abs(norm) / Math.max(Math.abs(direct), Math.abs(total))
  return judged(
    {
      ...claim,
      why: 'a part that makes up much of the stream sets the scale that all others are divided by: without it they all write more, which no component decided',
    },
    top.map((one) => `${one.name}: ${one.repair.norm.toFixed(3)}, ${(100 * shareOf(one)).toFixed(0)}%`).join('; '),
    RESCALED,
    top.every((one) => shareOf(one) <= RESCALED),
  )
}

/** Whether another kind of ablation shows the same repair. */
async function kindsCheck(
  model: Model,
  parts: readonly Part[],
  { question, source, whole, parts: found }: Repairs,
  top: readonly number[],
  kind: AblationKind,
  options: MethodOptions,
  meter: Meter,
): Promise<Check> {
  const beside =
    source.kinds.includes('resample') && kind !== 'resample' ? 'resample' : kind === 'mean' ? 'zero' : 'mean'
  const claim = {
    name: `${kind} and ${beside} ablation show the same repair`,
    claimed: `what is made up for (total less direct) has the same sign and differs by at most a factor of ${KINDS_DIFFER}, where either is more than ${RESCALED} of the logit difference`,
  }
  const chosen = top.map((i) => parts[i]!)
  if (chosen.length === 0) return notTested(claim, 'no part has an effect')
  const { onProgress: _, ...quiet } = options
  const other = await repairs(model, question, source, chosen, beside, quiet, meter)
  const gap = (one: Repair) => one.total - one.direct
  const both = top.map((i, t) => ({ name: componentOf(parts[i]!), own: gap(found[i]!), beside: gap(other.parts[t]!) }))
  const differs = both.filter(({ own, beside }) => {
    const [small, large] = [Math.min(Math.abs(own), Math.abs(beside)), Math.max(Math.abs(own), Math.abs(beside))]
    return large > RESCALED * Math.abs(whole.total) && (own * beside < 0 || large > KINDS_DIFFER * small)
  })
  return atMost(
    {
      ...claim,
      why: 'what only one replacement provokes is a reaction to that replacement, not to the loss of the part',
    },
    differs.length,
    0,
    both
      .map(({ name, own, beside: by }) => `${name}: ${own.toFixed(3)} (${kind}), ${by.toFixed(3)} (${beside})`)
      .join('; '),
  )
}

function intervalsCheck(
  top: readonly number[],
  named: (i: number) => string,
  { low, high }: { readonly low: readonly (number | null)[] | null; readonly high: readonly (number | null)[] | null },
  count: number,
): Check {
  const claim = {
    name: 'the repair holds beyond one question',
    claimed: `where it is more than ${RESCALED} of one of the ${TOP} largest effects, the 95% interval over questions of total less direct effect lies on one side of 0`,
  }
  if (low === null || high === null) return notTested(claim, `there is ${count} question; give several for intervals`)
  if (top.length === 0) return notTested(claim, 'nothing is made up for')
  const unsure = top.filter((i) => low[i]! <= 0 && 0 <= high[i]!)
  return atMost(
    { ...claim, why: 'repair is noisy: it may be there on one prompt and turned around on another' },
    unsure.length,
    0,
    top.map((i) => `${named(i)}: ${low[i]!.toFixed(3)} to ${high[i]!.toFixed(3)}`).join('; '),
  )
}
