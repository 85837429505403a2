import type { Edit, Model } from '../../lab/index.ts'
import { atMost, type Check, notTested } from '../shared/checks.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { largestIndices, shuffledIndices } from '../shared/statistics.ts'
import { sweep } from '../shared/sweep.ts'
import { type AnsweredPrompt, atPosition, compare, longParts, vectorsOf, withoutEach } from './removed-parts.ts'
import type { Decomposition, Piece } from './residual-parts.ts'

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
  const long = await longParts(meter, places, questions, attributionsOf, LONG, isEmbedding, options)
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
