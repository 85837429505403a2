/**
 * Ablation: what does the model lose without a part?
 *
 * Runs: one per part (a head's z, an attention or MLP layer's output, a neuron), with its activation replaced at all
 * positions (or the named ones):
 *
 *     zero           by 0
 *     mean           by its mean over all positions of reference prompts (the prompt's own when there are none)
 *     position_mean  by its mean over reference prompts, position by position
 *     resample       by its activation on another prompt at the same positions (the prompt's own tokens in another order when
 *                    there is none): several draws, whose mean is the value and whose deviation is the spread
 *
 *     effect = metric(without the part) - metric(whole model)         and the same for the loss
 *
 * Papers: Olsson et al. 2209.11895 (ablating heads); Wang et al. 2211.00593 (mean ablation); Chan et al. 2022 (resampling).
 *
 * How it misleads: zero is no neutral value: later layers may never have seen it, so the damage need not be the part's
 * function. The mean has no such excuse for the part's average, but may be a place where no real activation lies (between the two
 * values of a switch). Resampling stays where real activations lie, but puts wrong information in. And the rest of the model may
 * make up for what is missing (self-repair), so a small effect does not say that the part does little: see `self_repair` and
 * `ablate_pairs`.
 */
import { DiopterError } from '../../errors/index.ts'
import { loss, type Metric, type Model, type TokenizedPrompt } from '../../lab/index.ts'
import { type Nested, nest } from '../patching/patch-grid.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import { type AskedMetric, askMetric, type MetricName, type NamedToken, type Question } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean, summarizeRows } from '../shared/statistics.ts'
import { ablationChecks } from './ablation-checks.ts'
import { type Placement, placement } from './ablation-distribution.ts'
import { type AblateWhat, type AblationKind, type AblationOptions, ablatedParts, type Part } from './ablation-parts.ts'
import { type AblationSource, ablationSource } from './ablation-source.ts'
import { type DrawnSweep, sweepDraws } from './ablation-sweep.ts'
import type { TopPart } from './top-parts.ts'

/** A number per part and what it is without any ablation. */
interface Effects {
  readonly base: number
  /** After ablation, nested as `axes` says; means over questions, null where a cancelled sweep did not come. */
  readonly values: Nested
  /** values - base. */
  readonly effect: Nested
  /** The standard deviation over draws, the mean over questions; null where nothing is drawn, or once. */
  readonly spread: Nested | null
}

/** What ablation gives: the metric without every part, and the change. */
export interface AblationValues extends Effects {
  readonly metric: MetricName
  readonly what: AblateWhat
  readonly kind: AblationKind
  /** 95% bootstrap intervals of `effect`; null for a single question. */
  readonly low: Nested | null
  readonly high: Nested | null
  /** The mean loss of the prompt's next tokens, in nats; null where the metric is the loss, or a prompt is a single token. */
  readonly loss: Effects | null
  /**
   * Where the replacements lie among the real activations of their parts, on the first question: `distance` from their mean in
   * typical deviations, `length` over their mean length, distance from the `nearest` over what is usual.
   */
  readonly placement: { readonly distance: Nested; readonly length: Nested; readonly nearest: Nested }
  /** The parts with the largest effects or direct contributions, looked at closely; empty where the checks were not made. */
  readonly top: readonly TopPart[]
  /** The axes of `values` in order, with what each index stands for. */
  readonly axes: Readonly<Record<string, readonly number[]>>
  readonly questions: readonly {
    readonly prompt: TokenizedPrompt
    readonly answer: NamedToken | null
    readonly wrong: NamedToken | null
    readonly base: number
    readonly values: Nested
    /** The token ids that resampled activations come from, one list per draw; null for other kinds. */
    readonly resampledFrom: readonly (readonly number[])[] | null
  }[]
}

/**
 * Ablates every part, one at a time, on every question; cancelled, it keeps what is done. Throws for parts that the model
 * does not have.
 */
export async function ablation(
  model: Model,
  questions: readonly Question[],
  options: AblationOptions = {},
): Promise<MethodResult<AblationValues>> {
  const { kind = 'mean', seed = 0 } = options
  const meter = new Meter(model)
  const parts = ablatedParts(model.config, options)
  const all = questions.map((question) => ({ question, asked: askMetric(model, question, options.metric) }))
  const names = new Set(all.map(({ asked }) => asked.name))
  if (names.size > 1)
    throw new DiopterError(
      `The questions have different metrics (${[...names].join(', ')}), whose mean means nothing; name one.`,
    )
  const ablate = async (
    { question, asked }: (typeof all)[number],
    index: number,
    onPart: ((part: Ablated) => void) | undefined,
  ): Promise<Ablated> => {
    const prompt = model.tokenize(question.prompt, options.prependBos)
    const source = await ablationSource(model, parts.hooks, prompt, options, meter)
    const edits = parts.list.map((part) => source.draws(part, kind))
    const place = (part: Part) => placement(source.reference[part.hook]!, part, source.draws(part, kind)[0]!)
    const own = { prompt, asked, source, placements: index === 0 ? parts.list.map(place) : [] }
    const sweepOf = (metric: Metric, partOf: (swept: DrawnSweep) => Ablated) =>
      sweepDraws(model, prompt.ids, edits, metric, options, meter, onPart && ((swept) => onPart(partOf(swept))))
    const main = await sweepOf(asked.metric, (swept) => ({ ...own, main: swept, loss: null, whole: false }))
    const hasLoss = asked.name !== 'loss' && prompt.ids.length > 1
    const lossPart = (swept: DrawnSweep) => ({ ...own, main, loss: swept, whole: false })
    const lossSweep =
      hasLoss && main.complete ? await unlessCancelled(options.signal, () => sweepOf(loss(), lossPart)) : null
    return { ...own, main, loss: lossSweep, whole: main.complete && (lossSweep?.complete ?? !hasLoss) }
  }
  const assemble = (
    results: readonly Ablated[],
    standing: Standing,
    top: readonly TopPart[] = [],
  ): MethodResult<AblationValues> => {
    const losses = results.flatMap(({ loss }) => (loss ? [loss] : []))
    const { low, high } = summarizeRows(
      results.map(({ main }) => main.values.map((value) => value - main.base)),
      seed,
    )
    const shape = (values: readonly number[]) => nest(values, parts.sizes)
    const { placements } = results[0]!
    return {
      values: {
        metric: results[0]!.asked.name,
        what: parts.what,
        kind,
        ...meanEffects(
          results.map(({ main }) => main),
          parts.sizes,
        ),
        low: low && shape(low),
        high: high && shape(high),
        loss: losses.length === results.length ? meanEffects(losses, parts.sizes) : null,
        placement: {
          distance: shape(placements.map(({ distance }) => distance)),
          length: shape(placements.map(({ length }) => length)),
          nearest: shape(placements.map(({ nearest }) => nearest)),
        },
        top,
        axes: parts.axes,
        questions: results.map(({ prompt, asked, main, source }) => ({
          prompt,
          answer: asked.answer,
          wrong: asked.wrong,
          base: main.base,
          values: shape(main.values),
          resampledFrom: kind === 'resample' ? source.resampled : null,
        })),
      },
      cost: meter.cost,
      edits: meter.edits,
      provenance: model.provenance({ prompts: results.map(({ prompt }) => prompt), seed }),
      ...standing,
    }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(all, 'prompts', options, {
    work: ablate,
    isWhole: ({ whole }) => whole,
    onPartial,
  })
  if (complete) onPartial?.(results)
  const looked = complete
    ? await unlessCancelled(options.signal, () => ablationChecks(model, parts, results, kind, options, meter))
    : null
  return assemble(results, { checks: looked?.checks ?? CANCELLED_CHECKS, complete: looked !== null }, looked?.top)
}

/** A question with its sweeps, whole or in part. */
interface Ablated {
  readonly prompt: TokenizedPrompt
  readonly asked: AskedMetric
  readonly source: AblationSource
  /** Of the first question. */
  readonly placements: readonly Placement[]
  readonly main: DrawnSweep
  readonly loss: DrawnSweep | null
  readonly whole: boolean
}

function meanEffects(sweeps: readonly DrawnSweep[], sizes: readonly number[]): Effects {
  const base = mean(sweeps.map((one) => one.base))
  const values = sweeps[0]!.values.map((_, i) => mean(sweeps.map((one) => one.values[i]!)))
  const spreads = sweeps.flatMap(({ spread }) => (spread ? [spread] : []))
  return {
    base,
    values: nest(values, sizes),
    effect: nest(
      values.map((value) => value - base),
      sizes,
    ),
    spread:
      spreads.length < sweeps.length
        ? null
        : nest(
            values.map((_, i) => mean(spreads.map((spread) => spread[i]!))),
            sizes,
          ),
  }
}
