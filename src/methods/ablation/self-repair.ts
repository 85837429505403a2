/**
 * Self-repair: when a part is missing, what makes up for it?
 *
 * Runs: the prompt whole, and once per part (a head, an MLP layer) with the part ablated. In each, the logit difference is
 * split over what all components write, as direct logit attribution does, with the final norm's scale s held at the whole run's:
 *
 *     direct effect   what the part itself no longer writes
 *     changes         what every later component writes more or less than before: who compensates
 *     norm            (sum of all that is written) (s / s' - 1): what the smaller or larger stream's own rescaling does
 *     total effect  = direct effect + sum of changes + norm = logit difference(without the part) - logit difference(whole)
 *
 * Papers: McGrath et al. 2307.15771 (the Hydra effect); Rushing & Nanda 2402.15390 (of a head's direct effect up to some 30% is
 * repaired by the final norm's scaling); Wang et al. 2211.00593 (backup name movers).
 *
 * How it misleads: `repaired` counts whatever follows, also what merely reads the part: a later head that erased what the part wrote
 * stops erasing, which looks like repair and is not (does the component's change have the sign of its own contribution?). An
 * ablation that is off distribution disturbs later layers by itself: the other kinds are run beside it. And compensation that two
 * components share needs both: see `ablate_pairs`.
 */
import type { Model, TokenizedPrompt } from '../../lab/index.ts'
import { type Nested, nest } from '../patching/patch-grid.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MetricName, NamedToken, Question } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { largestIndices, mean, summarizeRows } from '../shared/statistics.ts'
import type { AblationKind, PartOptions, ReplacementOptions } from './ablation-parts.ts'
import { ablationSource } from './ablation-source.ts'
import { answeredQuestions } from './contributions.ts'
import { repairChecks } from './self-repair-checks.ts'
import {
  type ComponentWhat,
  componentOf,
  componentParts,
  type Repair,
  type Repairs,
  repairs,
} from './self-repair-runs.ts'

/** Which parts are ablated, and how. */
export interface SelfRepairOptions extends ReplacementOptions, Omit<PartOptions, 'what' | 'neurons'> {
  /** `head` unless said. */
  readonly what?: ComponentWhat | undefined
}

/** A component that writes something else when a part is missing. */
export interface Compensator {
  readonly component: string
  /** In logits, with the final norm's scale held. */
  readonly change: number
}

/** What self-repair gives; numbers are in logits, means over questions, null where a cancelled run did not come. */
export interface SelfRepairValues {
  readonly metric: MetricName
  readonly what: ComponentWhat
  readonly kind: AblationKind
  /** The rows: `L0H1`, `L0MLP`. */
  readonly parts: readonly string[]
  /** The columns of `changes`: heads, MLP layers, embeddings, attention biases. */
  readonly components: readonly string[]
  /** The logit difference of the whole model, before a soft cap. */
  readonly base: number
  /** What every component writes in the whole model. */
  readonly contributions: readonly number[]
  /** Per part; see the top of the file. */
  readonly direct: readonly (number | null)[]
  readonly total: readonly (number | null)[]
  readonly norm: readonly (number | null)[]
  /** The sum of the changes of all other components. */
  readonly others: readonly (number | null)[]
  /** 1 - total / direct: the share of the direct effect that is made up for; null where there is no direct effect to speak of. */
  readonly repaired: readonly (number | null)[]
  /** [part][component]; the part's own column is its direct effect. */
  readonly changes: Nested
  /** Per part the components that change most, the largest first. */
  readonly compensators: readonly (readonly Compensator[])[]
  /** 95% bootstrap intervals of total - direct; null for a single question. */
  readonly low: readonly (number | null)[] | null
  readonly high: readonly (number | null)[] | null
  readonly questions: readonly {
    readonly prompt: TokenizedPrompt
    readonly answer: NamedToken
    readonly wrong: NamedToken | null
    readonly base: number
    readonly direct: readonly (number | null)[]
    readonly total: readonly (number | null)[]
    readonly norm: readonly (number | null)[]
  }[]
}

const COMPENSATORS = 5
/** A direct effect below this share of the logit difference is none: shares of it would mean nothing. */
const NO_DIRECT_EFFECT = 0.01
/** Components that change by less than this share of the part's own effects are not listed. */
const NO_CHANGE = 0.01

/** Ablates every part and says who makes up for it. Throws for questions without an answer and parts that the model does not have. */
export async function selfRepair(
  model: Model,
  questions: readonly Question[],
  options: SelfRepairOptions = {},
): Promise<MethodResult<SelfRepairValues>> {
  const { what = 'head', kind = 'mean', seed = 0 } = options
  const meter = new Meter(model)
  const parts = componentParts(model.config, { ...options, what })
  const asked = answeredQuestions(model, questions, options.prependBos)
  const provenance = model.provenance({ prompts: asked.map(({ prompt }) => prompt), seed })
  const assemble = (results: readonly Repairs[], standing: Standing): MethodResult<SelfRepairValues> => {
    const { components } = results[0]!.whole
    const rows = parts.list.map((_, i) => results.map((one) => one.parts[i]!))
    const means = (of: (repair: Repair) => number) =>
      rows.map((row) => (row.every((one) => one !== null) ? mean(row.map(of)) : null))
    const [direct, total, norm] = [means((one) => one.direct), means((one) => one.total), means((one) => one.norm)]
    const base = mean(results.map(({ whole }) => whole.total))
    const changes = components.map((_, c) => means((one) => one.changes[c]!))
    const others = means((one) => one.changes.reduce((sum, change) => sum + change, 0) - one.direct)
    const { low, high } = summarizeRows(
      results.map((one) => one.parts.map((part) => (part ? part.total - part.direct : null))),
      seed,
    )
    const of = (one: Repairs, key: 'direct' | 'total' | 'norm') => one.parts.map((part) => part?.[key] ?? null)
    const values: SelfRepairValues = {
      metric: asked[0]!.name,
      what,
      kind,
      parts: parts.list.map(componentOf),
      components,
      base,
      contributions: components.map((_, c) => mean(results.map(({ whole }) => whole.values[c]!))),
      ...{ direct, total, norm, others },
      repaired: direct.map((effect, i) =>
        effect === null || Math.abs(effect) <= NO_DIRECT_EFFECT * Math.abs(base) ? null : 1 - total[i]! / effect,
      ),
      changes: nest(
        parts.list.flatMap((_, i) => changes.map((column) => column[i]!)),
        [parts.list.length, components.length],
      ),
      compensators: parts.list.map((part, i) => {
        const own = components.indexOf(componentOf(part))
        const least = NO_CHANGE * Math.max(Math.abs(direct[i] ?? 0), Math.abs(total[i] ?? 0))
        const row = changes.map((column, c) => (c === own || Math.abs(column[i] ?? 0) <= least ? null : column[i]!))
        return largestIndices(row, COMPENSATORS).map((c) => ({ component: components[c]!, change: row[c]! }))
      }),
      low,
      high,
      questions: results.map((one) => ({
        prompt: one.question.prompt,
        answer: one.question.answer,
        wrong: one.question.wrong,
        base: one.whole.total,
        direct: of(one, 'direct'),
        total: of(one, 'total'),
        norm: of(one, 'norm'),
      })),
    }
    return { values, cost: meter.cost, edits: meter.edits, provenance, ...standing }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(asked, 'prompts', options, {
    work: async (question, _, onPart: ((part: Repairs) => void) | undefined) => {
      const source = await ablationSource(model, parts.hooks, question.prompt, options, meter)
      return repairs(model, question, source, parts.list, kind, options, meter, onPart)
    },
    isWhole: (one) => one.complete,
    onPartial,
  })
  if (complete) onPartial?.(results)
  const { low, high } = assemble(results, { checks: [], complete }).values
  const checks = complete
    ? await unlessCancelled(options.signal, () =>
        repairChecks(model, parts.list, results, { low, high }, kind, options, meter),
      )
    : null
  return assemble(results, { checks: checks ?? CANCELLED_CHECKS, complete: checks !== null })
}
