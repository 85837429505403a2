/**
 * Ablation: what does the model lose without a part?
 *
 * Runs: one per part (a head's z, an attention or MLP layer's output, a neuron), with its activation replaced at all
 * positions (or the named ones):
 *
 *     zero      by 0
 *     mean      by its mean over reference prompts (the prompt's own positions when there are none)
 *     resample  by its activation on another prompt at the same positions (the prompt's own tokens in another order when
 *               there is none)
 *
 *     effect = metric(without the part) - metric(whole model)         and the same for the loss
 *
 * Papers: Olsson et al. 2209.11895 (ablating heads); Wang et al. 2211.00593 (mean ablation); Chan et al. 2022 (resampling).
 *
 * How it misleads: zero is no neutral value: later layers may never have seen it, so the damage need not be the part's
 * function. The mean has no such excuse for the part's average, but may be a place where no real activation lies. And the rest
 * of the model may make up for what is missing (self-repair), so a small effect does not say that the part does little.
 */
import { DiopterError } from '../../errors/index.ts'
import { loss, type Metric, type Model, type TokenizedPrompt } from '../../lab/index.ts'
import { type Nested, nest } from '../patching/patch-grid.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import { type AskedMetric, askMetric, type MetricName, type NamedToken, type Question } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean, summarizeRows } from '../shared/statistics.ts'
import { type Swept, sweepKeepingDone } from '../shared/sweep.ts'
import { ablationChecks } from './ablation-checks.ts'
import {
  type AblateWhat,
  type AblationKind,
  type AblationOptions,
  type AblationSource,
  ablatedParts,
  ablationSource,
} from './ablation-parts.ts'

/** A number per part and what it is without any ablation. */
interface Effects {
  readonly base: number
  /** After ablation, nested as `axes` says; means over questions, null where a cancelled sweep did not come. */
  readonly values: Nested
  /** values - base. */
  readonly effect: Nested
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
  /** The axes of `values` in order, with what each index stands for. */
  readonly axes: Readonly<Record<string, readonly number[]>>
  readonly questions: readonly {
    readonly prompt: TokenizedPrompt
    readonly answer: NamedToken | null
    readonly wrong: NamedToken | null
    readonly base: number
    readonly values: Nested
    /** The token ids that resampled activations come from; null for other kinds. */
    readonly resampledFrom: readonly number[] | null
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
    _: number,
    onPart: ((part: Ablated) => void) | undefined,
  ): Promise<Ablated> => {
    const prompt = model.tokenize(question.prompt, options.prependBos)
    const source = await ablationSource(model, parts, prompt, options, meter)
    const edits = parts.list.map((part) => source.edits(part, kind))
    const own = { prompt, asked, source }
    const sweepOf = (metric: Metric, partOf: (swept: Swept) => Ablated) =>
      sweepKeepingDone(model, prompt.ids, edits, metric, options, meter, onPart && ((swept) => onPart(partOf(swept))))
    const main = await sweepOf(asked.metric, (swept) => ({ ...own, main: swept, loss: null, whole: false }))
    const hasLoss = asked.name !== 'loss' && prompt.ids.length > 1
    const lossPart = (swept: Swept) => ({ ...own, main, loss: swept, whole: false })
    const lossSweep =
      hasLoss && main.complete ? await unlessCancelled(options.signal, () => sweepOf(loss(), lossPart)) : null
    return { ...own, main, loss: lossSweep, whole: main.complete && (lossSweep?.complete ?? !hasLoss) }
  }
  const assemble = (results: readonly Ablated[], standing: Standing): MethodResult<AblationValues> => {
    const losses = results.flatMap(({ loss }) => (loss ? [loss] : []))
    const { low, high } = summarizeRows(
      results.map(({ main }) => main.values.map((value) => value - main.base)),
      seed,
    )
    const shape = (values: readonly number[]) => nest(values, parts.sizes)
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
  const checks = complete
    ? await unlessCancelled(options.signal, () => ablationChecks(model, parts, results[0]!, kind, options, meter))
    : null
  return assemble(results, { checks: checks ?? CANCELLED_CHECKS, complete: checks !== null })
}

/** A question with its sweeps, whole or in part. */
interface Ablated {
  readonly prompt: TokenizedPrompt
  readonly asked: AskedMetric
  readonly source: AblationSource
  readonly main: Swept
  readonly loss: Swept | null
  readonly whole: boolean
}

function meanEffects(sweeps: readonly Swept[], sizes: readonly number[]): Effects {
  const base = mean(sweeps.map((one) => one.base))
  const values = sweeps[0]!.values.map((_, i) => mean(sweeps.map((one) => one.values[i]!)))
  return {
    base,
    values: nest(values, sizes),
    effect: nest(
      values.map((value) => value - base),
      sizes,
    ),
  }
}
