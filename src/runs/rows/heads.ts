import * as v from 'valibot'
import {
  byShareBeyond,
  FOUND_BEYOND_NULL,
  HEAD_DETECTORS,
  type HeadDetector,
  type HeadDetectorValues,
  headDetectors,
} from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { count, named } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { promptSchema } from '../prompt-schema.ts'
import { barList } from './grid-views.ts'
import { headPlaces, layerPlaces, upTo } from './places.ts'

const token = v.pipe(v.number(), v.integer(), v.minValue(0))

export const heads = defineMethod({
  name: 'heads',
  title: 'Head detectors',
  summary: 'What each head does: previous token, induction, duplicate token, copying ...',
  question: 'circuits',
  takes: 'optional prompts',
  example: { prompts: [], parameters: { examples: 4, period: 16 } },
  // Random tokens need no prompt; texts are read beside them.
  prompts: v.array(promptSchema),
  parameters: v.strictObject({
    examples: v.optional(
      named(count, 'Examples', 'Sequences of random tokens that scores are means over; 10 unless given.'),
    ),
    period: v.optional(
      named(count, 'Period', 'Different tokens before the first repeat; 25, or what fits the context, unless given.'),
    ),
    repeats: v.optional(
      named(count, 'Repeats', 'How often the tokens come in all; 4, or what fits the context, unless given.'),
    ),
    startToken: v.optional(
      named(
        v.nullable(token),
        'Start token',
        "The id of the token that stands first, or none; the tokenizer's start token unless given.",
      ),
    ),
    tokens: v.optional(
      named(
        v.pipe(v.array(token), v.minLength(2)),
        'Vocabulary',
        'The token ids that are drawn from; all that are not special unless given.',
      ),
    ),
  }),
  run: (model, prompts, parameters, context) => headDetectors(model, prompts, { ...parameters, ...context }),
  views: (values) => [topHeads(values), ...HEAD_DETECTORS.map((name) => headMap(values, name))],
})

const JOBS: Readonly<Record<HeadDetector, string>> = {
  previous: 'attention to the previous token',
  current: 'attention to the own token',
  first: 'attention to the first token',
  duplicate: 'attention to earlier occurrences',
  induction: 'attention to what followed earlier occurrences (induction)',
  copying: 'copying (raise of the attended token)',
}

/** Heads shown of each detector. */
const SHOWN = 3

function topHeads({ random, ranking }: HeadDetectorValues): ViewSpec {
  const best = HEAD_DETECTORS.flatMap((name) =>
    // Copying has no null.
    (name === 'copying' ? ranking[name] : byShareBeyond(name, random[name])).slice(0, SHOWN).map((head) => ({
      bar: {
        label: `${name} L${head.layer}H${head.head}`,
        value: 'job' in head ? head.beyond : head.score,
        ...(head.low === null || head.high === null ? {} : { low: head.low, high: head.high }),
      },
      place: { layer: head.layer, head: head.head },
    })),
  )
  const meaning = `share beyond the null (copying: score), 95 % interval; found from ${FOUND_BEYOND_NULL}`
  return barList('Best heads of every detector, on repeated random tokens', best, meaning)
}

function headMap({ random }: HeadDetectorValues, name: HeadDetector): ViewSpec {
  const { scores } = random[name]
  return {
    view: 'heatMap',
    props: {
      title: `Heads by ${JOBS[name]}${name === 'duplicate' || name === 'induction' ? ', habits of position included' : ''}`,
      values: scores,
      rowLabels: scores.map((_, layer) => `layer ${layer}`),
      columnLabels: scores[0]!.map((_, head) => `H${head}`),
      rowAxis: 'layer',
      columnAxis: 'head',
      valueLabel: name === 'copying' ? 'copying score, -1 to 1' : 'share of attention',
      ...(name === 'copying'
        ? { domain: [-1, 1] as const }
        : { scale: 'sequential' as const, domain: [0, 1] as const }),
    },
    places: { rows: layerPlaces(upTo(scores.length)), columns: headPlaces(upTo(scores[0]!.length)) },
  }
}
