/**
 * What becomes of the measured value without a part: taken out of the last residual stream, for single parts or the longest over
 * many questions. The checks of direct attribution compare this with what each part was said to do.
 */
import type { Edit, Metric, Model, Prompt, ReadoutContext } from '../../lab/index.ts'
import { concat } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AskedMetric, NamedToken } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, mean } from '../shared/statistics.ts'
import { sweep } from '../shared/sweep.ts'
import { type Piece, readsOf } from './residual-parts.ts'

/** A prompt with its metric, which has an answer. */
export type AnsweredPrompt = AskedMetric & { readonly prompt: Prompt; readonly answer: NamedToken }

/** Questions over which the effects of long parts are averaged. */
const LONG_QUESTIONS = 16

/** A part with what it was said to do. */
export interface AttributedPart {
  readonly piece: Piece
  readonly index: number
  readonly label: string
  readonly attribution: number
}

/** The largest gap between what parts were said to do and what is gone without them, as a share of the larger. */
export function compare(parts: readonly AttributedPart[], without: readonly number[], base: number, small: number) {
  const effects = parts.map((_, i) => base - without[i]!)
  const gaps = parts.map(
    ({ attribution }, i) =>
      Math.abs(effects[i]! - attribution) /
      Math.max(Math.abs(effects[i]!), Math.abs(attribution), small * Math.abs(base), 1e-6),
  )
  const said = parts.map(
    ({ label, attribution }, i) => `${label}: ${attribution.toFixed(3)} against ${effects[i]!.toFixed(3)}`,
  )
  return { gap: Math.max(...gaps), said: said.join('; ') }
}

/** The removable parts that are longest over the questions (root mean square), with their mean attributions. */
export async function longParts(
  meter: Meter,
  places: readonly Omit<AttributedPart, 'attribution'>[],
  questions: readonly AnsweredPrompt[],
  attributionsOf: readonly (readonly number[])[],
  count: number,
  isEmbedding: (index: number) => boolean,
  { edits, prependBos, signal }: MethodOptions,
): Promise<AttributedPart[]> {
  const pieces = [...new Set(places.map(({ piece }) => piece))]
  const trace = (context: ReadoutContext) => {
    const vectors = concat(
      pieces.map((piece) => piece.vectors(context)),
      1,
    ) // [n, parts, d]
    return { squares: vectors.mul(vectors).sum(-1) }
  }
  const readout = { reads: readsOf(pieces), trace }
  const run = await meter.run(promptsOf(questions), { edits, prependBos, signal, readout })
  const squares = run.readout.squares!.map(({ data }) => data as Float32Array)
  const lengths = places.map(({ piece }, i) =>
    piece.removal && !isEmbedding(i) ? mean(squares.map((list) => list[i]!)) : null,
  )
  return largestIndices(lengths, count).map((i) => ({
    ...places[i]!,
    attribution: mean(attributionsOf.slice(0, LONG_QUESTIONS).map((list) => list[i]!)),
  }))
}

const promptsOf = (questions: readonly AnsweredPrompt[]) =>
  questions.slice(0, LONG_QUESTIONS).map(({ prompt }) => prompt)

/** Means over the questions of the measured value, whole and without each part in the last stream. */
export async function withoutEach(
  model: Model,
  parts: readonly AttributedPart[],
  questions: readonly AnsweredPrompt[],
  position: number,
  takeOut: (vector: number[]) => Edit[],
  options: MethodOptions,
  meter: Meter,
) {
  const vectors = await vectorsOf(meter, parts, promptsOf(questions), options)
  const runs: Awaited<ReturnType<typeof sweep>>[] = []
  for (const [i, list] of vectors.entries()) {
    const { prompt, metric } = questions[i]!
    runs.push(await sweep(model, prompt, list.map(takeOut), atPosition(metric, position), options, meter))
  }
  return {
    base: mean(runs.map(({ base }) => base)),
    values: parts.map((_, part) => mean(runs.map(({ values }) => values[part]!))),
  }
}

/** What some parts wrote on every prompt: [prompt][part], each [d_model]. */
export async function vectorsOf(
  meter: Meter,
  parts: readonly { readonly piece: Piece; readonly index: number }[],
  prompts: readonly Prompt[],
  { edits, prependBos, signal }: MethodOptions,
): Promise<number[][][]> {
  const trace = (context: ReadoutContext) => ({
    vectors: concat(
      parts.map(({ piece, index }) => piece.vectors(context, [index])),
      1,
    ),
  })
  const reads = readsOf(parts.map(({ piece }) => piece))
  const { readout } = await meter.run(prompts, { edits, prependBos, signal, readout: { reads, trace } })
  return readout.vectors!.map(({ shape, data }) => {
    const size = shape[1]!
    return parts.map((_, i) => Array.from((data as Float32Array).subarray(i * size, (i + 1) * size)))
  })
}

/** A metric of the last position's logits, read at another position. */
export function atPosition(metric: Metric, position: number): Metric {
  if (position === -1) return metric
  return {
    ...metric,
    positions: 'all',
    evaluate: (logits, context) => metric.evaluate(logits.get(':', [position]), context),
  }
}
