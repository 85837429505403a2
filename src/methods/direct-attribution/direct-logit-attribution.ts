/**
 * Direct logit attribution: which parts of the model write the answer into the residual stream?
 *
 * Runs: one forward pass. The last residual stream is a sum of what every part wrote, h = sum_c x_c, and with the final
 * norm's scale s held at this run's value the logits are linear in it, so that the logit difference splits into
 *
 *     sum_c ( w * (x_c - mean(x_c)) / s ) . (W_U[answer] - W_U[wrong])   +   a constant of biases
 *
 * (no mean for RMS norms). The parts add up to the measured difference exactly; see the first check.
 *
 * Paper: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Wang et al. 2211.00593.
 *
 * How it misleads: it sees direct effects only. A head that others read from scores nothing; a part that a later layer erases
 * scores anyway, and without a part the others may take over (self-repair, Rushing & Nanda 2402.15390). Removing a part also
 * moves the scale s, which is held here. The checks remove the top parts and run again.
 */
import { DiopterError } from '../../errors/index.ts'
import type { Model, ReadoutContext, TokenizedPrompt } from '../../lab/index.ts'
import type { Tensor } from '../../tensor/index.ts'
import { CANCELLED_CHECKS, keepDone, partialResults, type Standing, unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import { askMetric, type NamedToken, type Question } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { mean, summarizeRows } from '../shared/statistics.ts'
import { answerDifference, answerDirection, pieceProducts } from './answer-direction.ts'
import { effectChecks, sumCheck } from './attribution-checks.ts'
import { frozenNormReads } from './frozen-norm.ts'
import type { AnsweredPrompt } from './removed-parts.ts'
import { type Decomposition, type Piece, readsOf, residualPieces } from './residual-parts.ts'

/** What the logits are split into, and where. */
export interface AttributionOptions extends MethodOptions {
  /** `component` unless said. */
  readonly by?: Decomposition
  /** The position whose logits are explained; -1, the last, unless said. */
  readonly position?: number
  /**
   * False leaves the final norm's weight out, as TransformerLens's `logit_attrs` does, which counts on folded norms: for a
   * model whose norm weights are not folded, the parts then do not add up to the logits. True unless said.
   */
  readonly finalNormWeight?: boolean
}

/** What every part writes into the logit difference. */
export interface AttributionValues {
  readonly metric: 'logit_difference' | 'logit'
  readonly by: Decomposition
  readonly position: number
  /** Layers and heads of each: the first labels of `head`, `full` and `neuron` are the heads, layer by layer. */
  readonly layers: number
  readonly heads: number
  readonly labels: readonly string[]
  /** One per label, means over questions, in logits. */
  readonly values: readonly number[]
  /** 95% bootstrap intervals of `values`; null for a single question. */
  readonly low: readonly number[] | null
  readonly high: readonly number[] | null
  /** What biases behind the residual stream add. */
  readonly constant: number
  /** The measured logit difference, before a soft cap of the logits. */
  readonly total: number
  readonly questions: readonly {
    readonly prompt: TokenizedPrompt
    readonly answer: NamedToken
    readonly wrong: NamedToken | null
    readonly values: readonly number[]
    readonly constant: number
    readonly total: number
  }[]
}

/** Splits the logit difference (or the answer's logit) of every question over the parts. Throws for a question without an answer. */
export async function directLogitAttribution(
  model: Model,
  questions: readonly Question[],
  options: AttributionOptions = {},
): Promise<MethodResult<AttributionValues>> {
  const { by = 'component', position = -1, seed = 0, signal, edits, prependBos, finalNormWeight = true } = options
  const { config } = model
  const meter = new Meter(model)
  const pieces = residualPieces(config, by, position)
  if (questions.some(({ answer }) => answer === undefined))
    throw new DiopterError(
      'Direct logit attribution splits the logit of an answer: give every question its `answer` token (and `wrong`, to split the difference of two logits).',
    )
  const asked = questions.map((question) => {
    const metric = askMetric(model, question, question.wrong === undefined ? 'logit' : 'logit_difference')
    return { ...metric, prompt: question.prompt, answer: metric.answer! }
  })
  if (new Set(asked.map(({ name }) => name)).size > 1)
    throw new DiopterError('Some questions have a wrong token and some have none; attributions of the two do not mix.')
  const attributionOf = async (question: AnsweredPrompt) => {
    const run = await meter.run([question.prompt], {
      edits,
      prependBos,
      signal,
      readout: {
        reads: ['unembed.hook_out', ...readsOf(pieces), ...frozenNormReads(config, 'ln_final')],
        trace: (context) => traceAttribution(context, model, pieces, question, position, finalNormWeight),
      },
    })
    const numbers = (name: string) => Array.from(run.readout[name]![0]!.data as Float32Array)
    const prompt = run.prompts[0]!
    return {
      question: {
        prompt,
        answer: question.answer,
        wrong: question.wrong,
        values: numbers('values'),
        constant: numbers('constant')[0]!,
        total: numbers('total')[0]!,
      },
      provenance: run.provenance,
    }
  }
  const labels = pieces.flatMap((piece) => piece.labels)
  const assemble = (
    results: readonly Awaited<ReturnType<typeof attributionOf>>[],
    standing: Standing,
  ): MethodResult<AttributionValues> => {
    const done = results.map(({ question }) => question)
    const { low, high } = summarizeRows(
      done.map(({ values }) => values),
      seed,
    )
    return {
      values: {
        metric: asked[0]!.name === 'logit' ? 'logit' : 'logit_difference',
        by,
        position,
        layers: config.n_layers,
        heads: config.n_heads,
        labels,
        values: labels.map((_, i) => mean(done.map((question) => question.values[i]!))),
        low,
        high,
        constant: mean(done.map(({ constant }) => constant)),
        total: mean(done.map(({ total }) => total)),
        questions: done,
      },
      cost: meter.cost,
      edits: meter.edits,
      provenance: results[0]!.provenance,
      ...standing,
    }
  }
  const onPartial = partialResults(options, assemble)
  const { results, complete } = await keepDone(asked, 'prompts', options, { work: attributionOf, onPartial })
  onPartial?.(results)
  const done = results.map(({ question }) => question)
  const effects = await unlessCancelled(signal, () =>
    effectChecks(
      model,
      pieces,
      asked,
      done.map(({ values }) => values),
      position,
      options,
      meter,
    ),
  )
  return assemble(results, {
    checks: [sumCheck(by, done), ...(effects ?? CANCELLED_CHECKS)],
    complete: complete && effects !== null,
  })
}

/** One number per part [n, c], the constant [n, 1] and the measured total [n, 1]. */
function traceAttribution(
  context: ReadoutContext,
  model: Model,
  pieces: readonly Piece[],
  question: AnsweredPrompt,
  position: number,
  finalNormWeight: boolean,
): Record<string, Tensor> {
  const { direction, constant } = answerDirection(context, model.config, question, position, finalNormWeight)
  return {
    values: pieceProducts(context, pieces, direction),
    constant,
    total: answerDifference(context.activation('unembed.hook_out').get(':', position), question),
  }
}
