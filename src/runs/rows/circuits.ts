import * as v from 'valibot'
import {
  CIRCUIT_EMBEDDINGS,
  type CircuitValues,
  COMPOSITIONS,
  circuits,
  type DirectionEnds,
  type HeadCircuits,
} from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { count, headsField, layersField, named, topKField } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { promptSchema } from '../prompt-schema.ts'
import { barList, type PlacedBar } from './grid-views.ts'

export const circuitsRow = defineMethod({
  name: 'circuits',
  title: 'Circuits from weights',
  summary: 'What each head looks for and writes, in tokens, and which heads read each other, from the weights alone',
  question: 'circuits',
  takes: 'optional prompts',
  example: { prompts: [' he she his her'], parameters: { layers: [0], directions: 1 } },
  // The tokens of the texts are those whose values are shown; the rest needs none.
  prompts: v.array(promptSchema),
  parameters: v.strictObject({
    layers: layersField,
    heads: headsField,
    embedding: v.optional(
      named(
        v.picklist(CIRCUIT_EMBEDDINGS),
        'Embedding',
        'What stands for a token: its embedding (direct), or that with what MLP 0 makes of it (mlp0). Direct unless given.',
      ),
    ),
    distance: v.optional(
      named(
        v.pipe(v.number(), v.integer(), v.minValue(0)),
        'Distance',
        'Positions from a key to its query, for rotary models; 0, no rotation, unless given.',
      ),
    ),
    directions: v.optional(named(count, 'Directions', 'Singular directions read per circuit; 3 unless given.')),
    topK: topKField('end of a direction'),
  }),
  run: (model, prompts, parameters, context) => circuits(model, prompts, { ...parameters, ...context }),
  views: (values) => [
    directionBars(values),
    copyingMap(values),
    ...values.heads.slice(0, SHOWN).flatMap((head) => pairMaps(head, values)),
    ...compositionBars(values),
    spectra(values),
  ],
})

/** Heads whose own pictures are drawn. */
const SHOWN = 4
/** Heads and directions in a list. */
const LISTED = 12
/** Tokens named at an end of a direction. */
const NAMED = 3

const headName = ({ layer, head }: { readonly layer: number; readonly head: number }) => `L${layer}H${head}`
const tokensOf = ({ positive }: DirectionEnds) =>
  positive
    .slice(0, NAMED)
    .map(({ token }) => token.trim())
    .join(' ')

function directionBars({ heads }: CircuitValues): ViewSpec {
  const list = heads.slice(0, LISTED).flatMap((head): PlacedBar[] =>
    (['ov', 'qk'] as const).flatMap((kind) =>
      head[kind].directions.slice(0, 1).map(({ value, reads, writes }) => ({
        bar: {
          label: `${headName(head)} ${kind.toUpperCase()}: ${tokensOf(reads)} ${kind === 'ov' ? '->' : '~'} ${tokensOf(writes)}`,
          value,
        },
        place: { layer: head.layer, head: head.head },
      })),
    ),
  )
  return barList(
    'First singular directions: OV read -> raise, QK ask ~ attend to',
    list,
    'singular value of the full circuit',
  )
}

function copyingMap({ heads }: CircuitValues): ViewSpec {
  const ranked = [...heads].sort((a, b) => b.copying.centred - a.copying.centred)
  return {
    view: 'heatMap',
    props: {
      title: 'Copying: eigenvalues beside behaviour',
      values: ranked.map(({ copying, scoresExplained }) => [
        copying.eigenvalue,
        copying.centred,
        copying.behavioural,
        copying.ownFirst,
        scoresExplained,
      ]),
      rowLabels: ranked.map(headName),
      columnLabels: ['eigenvalues', 'centred', 'behavioural', 'own token first', 'QK explains scores'],
      rowAxis: 'head',
      columnAxis: 'measure',
      valueLabel: 'score, -1 to 1',
      domain: [-1, 1],
    },
    places: { rows: ranked.map(({ layer, head }) => ({ layer, head })) },
  }
}

function pairMaps(head: HeadCircuits, { tokens, distance }: CircuitValues): ViewSpec[] {
  if (tokens.length === 0) return []
  const labels = tokens.map(({ token }) => token)
  const map = (
    kind: 'ov' | 'qk',
    title: string,
    rowAxis: string,
    columnAxis: string,
    valueLabel: string,
  ): ViewSpec => ({
    view: 'heatMap',
    props: {
      title: `${headName(head)} ${title}`,
      values: head[kind].pairs,
      rowLabels: labels,
      columnLabels: labels,
      rowAxis,
      columnAxis,
      valueLabel,
    },
    places: { all: { layer: head.layer, head: head.head } },
  })
  return [
    map('ov', 'OV circuit', 'token attended to', 'token raised', 'logit, less the mean over the vocabulary'),
    map('qk', `QK circuit, distance ${distance}`, 'query', 'key', 'attention score, less the mean over keys'),
  ]
}

function compositionBars({ compositions }: CircuitValues): ViewSpec[] {
  return COMPOSITIONS.filter((kind) => compositions[kind].length > 0).flatMap((kind) => {
    const list = (title: string, key: 'centredZ' | 'channelZ' | 'used', valueLabel: string) => {
      const best = [...compositions[kind]].sort((a, b) => (b[key] ?? 0) - (a[key] ?? 0)).slice(0, LISTED)
      return barList(
        title,
        best.map((pair) => ({
          bar: { label: `${headName(pair.from)} -> ${headName(pair.to)}`, value: pair[key] },
          place: pair.to,
        })),
        valueLabel,
      )
    }
    const beyond = 'deviations above random directions'
    return [
      list(`${kind}-composition, centred`, 'centredZ', beyond),
      list(`${kind}-composition through one direction`, 'channelZ', beyond),
      list(`${kind}-composition in use`, 'used', 'share of what the later head reads on these texts'),
    ]
  })
}

function spectra({ heads }: CircuitValues): ViewSpec {
  return {
    view: 'curves',
    props: {
      title: 'Singular values of the full circuits',
      series: heads.slice(0, SHOWN).flatMap((head) =>
        (['ov', 'qk'] as const).map((kind) => ({
          name: `${headName(head)} ${kind.toUpperCase()}`,
          x: head[kind].fullSingularValues.map((_, i) => i + 1),
          y: head[kind].fullSingularValues,
        })),
      ),
      xLabel: 'direction',
      yLabel: 'singular value',
    },
    places: {
      rows: heads.slice(0, SHOWN).flatMap(({ layer, head }) => [
        { layer, head },
        { layer, head },
      ]),
    },
  }
}
