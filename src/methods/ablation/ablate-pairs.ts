/**
 * Pairs of ablations: do parts that seem to do little alone stand in for each other?
 *
 * Runs: every part ablated alone (to choose the k most promising ones), then these k alone and all their pairs:
 *
 *     interaction(a, b) = effect(without a and b) - effect(without a) - effect(without b)
 *
 *     together more than the sum of both    redundant: each makes up for the other (OR, a backup)
 *     less                                  in series: the loss of one leaves the other nothing to do (AND, a chain)
 *
 * Chosen are the parts with the largest total effects, direct effects (which a backup hides) and compensating changes (which
 * backups show when another part is missing): a pair of which neither half does anything alone is found by the latter two.
 *
 * Papers: Wang et al. 2211.00593 (backup heads); Makelov et al. and Heimersheim & Nanda 2404.15255 (AND and OR structure).
 *
 * How it misleads: three parts that stand in for each other show in no pair; the check that ablates all the others at once
 * says whether something was left out. A mean may leave a switch on that a real value would turn off (half of an OR is enough), so
 * interactions depend on the kind of ablation: another kind is run beside it. An interaction is in units of the metric, so a metric that saturates (a probability) has
 * interactions of its own. And every ablation that is off distribution is twice so in a pair.
 */
import { DiopterError } from '../../errors/index.ts'
import type { Model, TokenizedPrompt } from '../../lab/index.ts'
import { type Nested, nest } from '../patching/patch-grid.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MetricName, NamedToken, Question } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { largestIndices, mean, summarizeRows } from '../shared/statistics.ts'
import { pairChecks } from './ablate-pairs-checks.ts'
import { type PairSweep, pairIndices, sweepPairs } from './ablate-pairs-sweep.ts'
import type { AblationKind, PartOptions, ReplacementOptions } from './ablation-parts.ts'
import { ablationSource } from './ablation-source.ts'
import { answeredQuestions } from './contributions.ts'
import { type ComponentWhat, componentOf, componentParts, type Repairs, repairs } from './self-repair-runs.ts'

/** Which parts are paired, and how they are ablated. */
export interface AblatePairsOptions extends ReplacementOptions, Omit<PartOptions, 'what' | 'neurons'> {
  /** `head` unless said. */
  readonly what?: ComponentWhat | undefined
  /** How many parts are paired with each other; 8 unless said. */
  readonly top?: number | undefined
}

/** Why a part was chosen: the largest of its scores. */
export const PAIR_REASONS = ['total effect', 'direct effect', 'makes up for another'] as const

/** A part that was paired. Effects are changes of the logit difference, means over questions. */
export interface PairedPart {
  readonly part: string
  readonly because: (typeof PAIR_REASONS)[number]
  readonly total: number
  readonly direct: number
  /** The largest change of what it writes when another part is missing. */
  readonly compensates: number
}

/** Two parts, alone and together. */
export interface AblatedPair {
  readonly parts: readonly [string, string]
  readonly alone: readonly [number, number]
  readonly joint: number
  readonly interaction: number
  readonly relation: 'redundant' | 'in series'
}

/** What pairs give; numbers are changes of the logit difference, means over questions, null where a cancelled run did not come. */
export interface AblatePairsValues {
  readonly metric: MetricName
  readonly what: ComponentWhat
  readonly kind: AblationKind
  readonly base: number
  /** The rows and columns. */
  readonly parts: readonly PairedPart[]
  /** [part][part] without both; on the diagonal without the one. */
  readonly joint: Nested
  /** [part][part]; null on the diagonal. */
  readonly interaction: Nested
  /** 95% bootstrap intervals of the interactions; null for a single question. */
  readonly low: Nested | null
  readonly high: Nested | null
  /** The pairs with the largest interactions. */
  readonly strongest: readonly AblatedPair[]
  /** Without all parts that were not chosen; null where there are none, or not done. */
  readonly rest: number | null
  readonly questions: readonly {
    readonly prompt: TokenizedPrompt
    readonly answer: NamedToken
    readonly wrong: NamedToken | null
    readonly base: number
    readonly joint: Nested
  }[]
}

const PAIRED = 8
const STRONGEST = 10

/** A question with its sweep over the chosen parts. */
interface PairedQuestion {
  readonly repaired: Repairs
  readonly swept: PairSweep
}

/** Ablates the most promising parts alone and in pairs. Throws for questions without an answer, and for fewer than two parts. */
export async function ablatePairs(
  model: Model,
  questions: readonly Question[],
  options: AblatePairsOptions = {},
): Promise<MethodResult<AblatePairsValues>> {
  const { what = 'head', kind = 'mean', seed = 0, top = PAIRED } = options
  const meter = new Meter(model)
  const parts = componentParts(model.config, { ...options, what })
  if (!Number.isInteger(top) || top < 2 || parts.list.length < 2)
    throw new DiopterError(
      `Pairs need at least two parts: ${parts.list.length} can be ablated, and the top ${top} were asked for.`,
    )
  const asked = answeredQuestions(model, questions, options.prependBos)
  const provenance = model.provenance({ prompts: asked.map(({ prompt }) => prompt), seed })
  const singles: Repairs[] = []
  for (const question of asked) {
    const source = await ablationSource(model, parts.hooks, question.prompt, options, meter)
    singles.push(await repairs(model, question, source, parts.list, kind, options, meter))
  }
  const whole = singles.filter(({ complete }) => complete)
  const scored = scores(parts.list.map(componentOf), whole.length > 0 ? whole : singles.slice(0, 1))
  const chosen = largestIndices(
    scored.map(({ score }) => score),
    top,
  ).sort((a, b) => a - b)
  const others = parts.list.filter((_, i) => !chosen.includes(i))
  const list = chosen.map((i) => parts.list[i]!)
  const names = list.map(componentOf)
  const pairs = pairIndices(list.length)
  const assemble = (results: readonly PairedQuestion[], standing: Standing): MethodResult<AblatePairsValues> => {
    const size = list.length
    const full = (values: readonly (number | null)[], diagonal: readonly (number | null)[]) =>
      nest(
        Array.from({ length: size * size }, (_, cell) => {
          const [a, b] = [Math.floor(cell / size), cell % size]
          if (a === b) return diagonal[a]!
          return values[pairs.findIndex(([x, y]) => x === Math.min(a, b) && y === Math.max(a, b))]!
        }),
        [size, size],
      )
    const empty = names.map(() => null)
    const meanOf = (of: (swept: PairSweep) => readonly (number | null)[]) =>
      summarizeRows(
        results.map(({ swept }) => of(swept)),
        seed,
      )
    const alone = meanOf(({ alone }) => alone).means
    const joint = meanOf(({ joint }) => joint).means
    const interaction = meanOf(interactionsOf)
    const [rest] = meanOf(({ rest }) => [rest]).means
    const values: AblatePairsValues = {
      metric: asked[0]!.name,
      what,
      kind,
      base: mean(results.map(({ swept }) => swept.base)),
      parts: chosen.map((i) => scored[i]!.part),
      joint: full(joint, alone),
      interaction: full(interaction.means, empty),
      low: interaction.low && full(interaction.low, empty),
      high: interaction.high && full(interaction.high, empty),
      strongest: largestIndices(interaction.means, STRONGEST).flatMap((p): AblatedPair[] => {
        const [a, b] = pairs[p]!
        const [together, between] = [joint[p]!, interaction.means[p]!]
        const sum = alone[a]! + alone[b]!
        const relation = between * (together + sum) > 0 ? 'redundant' : 'in series'
        if (between === 0) return []
        return [
          {
            parts: [names[a]!, names[b]!],
            alone: [alone[a]!, alone[b]!],
            joint: together,
            interaction: between,
            relation,
          },
        ]
      }),
      rest: rest!,
      questions: results.map(({ repaired: { question }, swept }) => ({
        prompt: question.prompt,
        answer: question.answer,
        wrong: question.wrong,
        base: swept.base,
        joint: full(swept.joint, swept.alone),
      })),
    }
    return { values, cost: meter.cost, edits: meter.edits, provenance, ...standing }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(singles, 'prompts', options, {
    work: async (repaired, _, onPart: ((part: PairedQuestion) => void) | undefined) => {
      const follow = onPart && ((swept: PairSweep) => onPart({ repaired, swept }))
      return { repaired, swept: await sweepPairs(model, repaired, list, others, kind, options, meter, follow) }
    },
    isWhole: ({ swept }) => swept.complete,
    onPartial,
  })
  if (complete) onPartial?.(results)
  const checks = complete
    ? await unlessCancelled(options.signal, () =>
        pairChecks(
          model,
          { list, others, first: results[0]!, values: assemble(results, { checks: [], complete }).values },
          options,
          meter,
        ),
      )
    : null
  return assemble(results, { checks: checks ?? CANCELLED_CHECKS, complete: checks !== null })
}

/** joint - alone - alone, per pair. */
function interactionsOf({ alone, joint }: PairSweep): (number | null)[] {
  return pairIndices(alone.length).map(([a, b], p) =>
    joint[p] == null || alone[a] == null || alone[b] == null ? null : joint[p] - alone[a] - alone[b],
  )
}

/** What speaks for pairing a part, means over questions. */
function scores(names: readonly string[], results: readonly Repairs[]): { score: number; part: PairedPart }[] {
  const { components } = results[0]!.whole
  return names.map((part, i) => {
    const of = (key: 'total' | 'direct') => mean(results.map(({ parts }) => parts[i]?.[key] ?? 0))
    const own = components.indexOf(part)
    const changes = names.map((_, j) => (j === i ? 0 : mean(results.map(({ parts }) => parts[j]?.changes[own] ?? 0))))
    const compensates = changes.reduce((most, change) => (Math.abs(change) > Math.abs(most) ? change : most), 0)
    const sizes = [of('total'), of('direct'), compensates].map(Math.abs)
    const score = Math.max(...sizes)
    return {
      score,
      part: {
        part,
        because: PAIR_REASONS[sizes.indexOf(score)]!,
        total: of('total'),
        direct: of('direct'),
        compensates,
      },
    }
  })
}
