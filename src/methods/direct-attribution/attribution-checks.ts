import type { Edit, Metric, Model, Prompt, ReadoutContext } from '../../lab/index.ts'
import { concat } from '../../tensor/index.ts'
import { atMost, type Check, notTested } from '../shared/checks.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { AskedMetric, NamedToken } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, mean, shuffledIndices } from '../shared/statistics.ts'
import { sweep } from '../shared/sweep.ts'
import { type Decomposition, type Piece, readsOf } from './residual-parts.ts'

/** A prompt with its metric, which has an answer. */
export type AnsweredPrompt = AskedMetric & { readonly prompt: Prompt; readonly answer: NamedToken }

/** Whether the parts make up the measured value of every question. */
export function sumCheck(
  by: Decomposition,
  questions: readonly { readonly values: readonly number[]; readonly constant: number; readonly total: number }[],
): Check {
  const gaps = questions.map(({ values, constant, total }) => {
    const sum = by === 'accumulated' ? values.at(-1)! : values.reduce((a, b) => a + b, 0)
    return Math.abs(sum + constant - total) / Math.max(1, Math.abs(total))
  })
  return atMost(
    {
      name: by === 'accumulated' ? 'the last state gives the logits' : 'the parts add up to the logits',
      claimed: 'parts and constant differ from the measured value by less than 0.1%',
      why: 'otherwise something is missing from the sum: an edit behind the residual stream, or norm weights that were left out',
    },
    Math.max(...gaps),
    1e-3,
  )
}

const TOP = 3
/** How far the effect of taking a part out of the sum may be from its attribution, as a share of the larger. */
const FROZEN_SCALE_GAP = 0.25
/** Parts that are taken out because they are long, whatever they write: the norm's scale is theirs. */
const LONG = 3
/** Questions over which their effects are averaged. */
const LONG_QUESTIONS = 16
/** Parts that write next to nothing themselves that are taken out, and the share of the measured value that this may cost. */
const QUIET = 8
const QUIET_EFFECT = 0.25
/** Gaps are shares of this part of the measured value where effect and attribution are smaller still: parts that do nothing have no size. */
const SMALL_PART = 0.05
/** The same for long parts: what they change by the norm's scale counts from a twentieth of the measured value on. */
const SMALL_LONG_PART = 0.2
/** How far the effect of a model without the part may be from its attribution. */
const TOTAL_EFFECT_GAP = 0.5

/**
 * What becomes of the first question when its top parts are taken out: of the sum only, and of the whole run; and of the
 * mean over questions when the longest parts are taken out of the sum.
 */
export async function effectChecks(
  model: Model,
  pieces: readonly Piece[],
  questions: readonly AnsweredPrompt[],
  attributionsOf: readonly (readonly number[])[],
  position: number,
  options: MethodOptions,
  meter: Meter,
): Promise<Check[]> {
  const frozen = {
    name: "holding the final norm's scale changes little",
    claimed: `taking a top part, or one of the ${LONG} longest, out of the last residual stream, with the scale computed anew, has its attribution as effect, within ${FROZEN_SCALE_GAP * 100}%`,
  }
  const total = {
    name: 'direct effects are total effects',
    claimed: `running without a top part has its attribution as effect, within ${TOTAL_EFFECT_GAP * 100}%`,
  }
  const silent = {
    name: 'parts that write nothing do nothing',
    claimed: `running without one of ${QUIET} random parts whose attribution is small changes the measured value by at most ${QUIET_EFFECT * 100}% of it`,
  }
  const [asked, attributions] = [questions[0]!, attributionsOf[0]!]
  const places = pieces.flatMap((piece) => piece.labels.map((label, index) => ({ piece, label, index })))
  const removable = places.map(({ piece }, i) => (piece.removal ? attributions[i]! : null))
  const partAt = (i: number) => ({ ...places[i]!, attribution: attributions[i]! })
  const [largest] = largestIndices(removable, 1)
  if (largest === undefined) {
    const why = 'states of the stream at several depths are no parts that could be taken out'
    return [notTested(frozen, why), notTested(total, why), notTested(silent, why)]
  }
  const size = Math.abs(removable[largest]!)
  const writes = (i: number) => Math.abs(removable[i] ?? 0) >= SMALL_PART * size
  const top = largestIndices(removable, TOP).filter(writes).map(partAt)
  // Embeddings write to the first stream, which everything reads.
  const isEmbedding = (i: number) => /embed/.test(places[i]!.label)
  const quiet = shuffledIndices(places.length, options.seed ?? 0)
    .filter((i) => removable[i] !== null && !writes(i) && !isEmbedding(i))
    .slice(0, QUIET)
    .map(partAt)
  const [vectors] = await vectorsOf(meter, top, [asked.prompt], options)
  const lastStream = `blocks.${model.config.n_layers - 1}.hook_resid_post`
  const takeOut = (vector: number[]): Edit[] => [
    { hook: lastStream, kind: 'add', value: vector, factor: -1, positions: [position] },
  ]
  const without = top.map(({ piece, index }) => [piece.removal!(index)])
  // What others read of a part may stand at any position.
  const withoutQuiet = quiet.map(({ piece, index }) => [everywhere(piece.removal!(index))])
  const metric = atPosition(asked.metric, position)
  const { base, values } = await sweep(
    model,
    asked.prompt,
    [...vectors!.map(takeOut), ...without, ...withoutQuiet],
    metric,
    options,
    meter,
  )
  const long = await longParts(meter, places, questions, attributionsOf, isEmbedding, options)
  const withoutLong = await withoutEach(model, long, questions, position, takeOut, options, meter)
  const sums = compare(top, values, base, SMALL_PART)
  const scales = compare(long, withoutLong.values, withoutLong.base, SMALL_LONG_PART)
  const direct = scales.gap > sums.gap ? scales : sums
  const whole = compare(top, values.slice(top.length), base, SMALL_PART)
  return [
    atMost(
      { ...frozen, why: 'a part that makes up much of the stream also sets the scale that all others are divided by' },
      direct.gap,
      FROZEN_SCALE_GAP,
      direct.said,
    ),
    atMost(
      {
        ...total,
        why: 'where they differ, later layers read this part, erase it, or make up for its absence: the attribution alone does not say how much the model needs it',
      },
      whole.gap,
      TOTAL_EFFECT_GAP,
      whole.said,
    ),
    quietCheck(
      silent,
      quiet.map(({ label }, i) => ({ label, effect: base - values[2 * top.length + i]! })),
      Math.max(Math.abs(base), size),
    ),
  ]
}

const everywhere = ({ positions: _, ...edit }: Edit): Edit => edit as Edit

/** Whether parts without an attribution can be left out of the story. */
function quietCheck(
  claim: { readonly name: string; readonly claimed: string },
  parts: readonly { readonly label: string; readonly effect: number }[],
  size: number,
): Check {
  const [worst] = largestIndices(
    parts.map(({ effect }) => effect),
    1,
  )
  if (worst === undefined) return notTested(claim, 'every part has an attribution')
  const { label, effect } = parts[worst]!
  return atMost(
    {
      ...claim,
      why: 'a part that others read makes the answer without writing it: patch to find such parts, attribution cannot',
    },
    Math.abs(effect) / size,
    QUIET_EFFECT,
    `${effect.toFixed(3)} without ${label}, at most, of ${parts.length}`,
  )
}

/** A part with what it was said to do. */
interface AttributedPart {
  readonly piece: Piece
  readonly index: number
  readonly label: string
  readonly attribution: number
}

/** The largest gap between what parts were said to do and what is gone without them, as a share of the larger. */
function compare(parts: readonly AttributedPart[], without: readonly number[], base: number, small: number) {
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
async function longParts(
  meter: Meter,
  places: readonly Omit<AttributedPart, 'attribution'>[],
  questions: readonly AnsweredPrompt[],
  attributionsOf: readonly (readonly number[])[],
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
  return largestIndices(lengths, LONG).map((i) => ({
    ...places[i]!,
    attribution: mean(attributionsOf.slice(0, LONG_QUESTIONS).map((list) => list[i]!)),
  }))
}

const promptsOf = (questions: readonly AnsweredPrompt[]) =>
  questions.slice(0, LONG_QUESTIONS).map(({ prompt }) => prompt)

/** Means over the questions of the measured value, whole and without each part in the last stream. */
async function withoutEach(
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
async function vectorsOf(
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
function atPosition(metric: Metric, position: number): Metric {
  if (position === -1) return metric
  return {
    ...metric,
    positions: 'all',
    evaluate: (logits, context) => metric.evaluate(logits.get(':', [position]), context),
  }
}
