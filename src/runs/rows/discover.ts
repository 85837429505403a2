import * as v from 'valibot'
import {
  DISCOVERY_WAYS,
  type DiscoveryValues,
  discoverCircuit,
  EDGE_ESTIMATES,
  REMOVAL_MEASURES,
} from '../../methods/index.ts'
import type { Place, ViewSpec } from '../../views/index.ts'
import { EXAMPLE_PRONOUN_PAIR } from '../examples.ts'
import { count, named } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { edgeRunsAt } from './edge-views.ts'
import { barList } from './grid-views.ts'
import { pairList, patchFields, spoken } from './patch-fields.ts'
import { placeOfLabel } from './places.ts'

const share = v.pipe(v.number(), v.gtValue(0), v.maxValue(0.999))

export const discover = defineMethod({
  name: 'discover',
  title: 'Circuit discovery',
  summary: 'The connections that alone do what the model does (ACDC, EAP with a greedy search)',
  question: 'circuits',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_PRONOUN_PAIR], parameters: { randomCircuits: 8 } },
  prompts: pairList,
  parameters: v.strictObject({
    way: v.optional(
      named(
        v.picklist(DISCOVERY_WAYS),
        'Way',
        'Gradient takes edges up by their estimated effect until the circuit is faithful; acdc removes edges by exact runs, which is slower. gradient unless given.',
      ),
    ),
    faithfulness: v.optional(
      named(share, 'Faithfulness', 'Of gradient: how much of the difference the circuit must do; 0.9 unless given.'),
    ),
    edges: v.optional(named(count, 'Edges', 'Of gradient: how many edges are taken up, in place of a faithfulness.')),
    estimate: v.optional(
      named(
        v.picklist(EDGE_ESTIMATES),
        'Gradient',
        'Of gradient: at the clean run (eap), or averaged over runs (eap_ig, unless given).',
      ),
    ),
    steps: v.optional(
      named(
        v.pipe(v.number(), v.integer(), v.minValue(2)),
        'Steps',
        'Of eap_ig: runs that it averages over; 5 unless given.',
      ),
    ),
    measure: v.optional(
      named(
        v.picklist(REMOVAL_MEASURES),
        'What must not change',
        'Of acdc: the prediction (kl, unless given) or the metric.',
      ),
    ),
    threshold: v.optional(
      named(
        v.pipe(v.number(), v.gtValue(0)),
        'Threshold',
        "Of acdc: an edge goes where that changes less than this: nats of KL, or a share of the metric's difference. 0.01 unless given.",
      ),
    ),
    randomCircuits: v.optional(
      named(
        v.pipe(v.number(), v.integer(), v.minValue(0)),
        'Random circuits',
        'How many random circuits of the same size it is compared with; 20 unless given.',
      ),
    ),
    holdOut: v.optional(
      named(
        v.boolean(),
        'Hold pairs out',
        'Whether every third pair, from the second on, only tests the circuit; yes unless given.',
      ),
    ),
    metric: patchFields.metric,
  }),
  run: (model, prompts, parameters, context) => discoverCircuit(model, prompts, { ...parameters, ...context }),
  views: (values) => [...graphView(values), ...curveView(values), ...pairBars(values)],
  runsAt: (spec, _, place) => edgeRunsAt(spec, place),
})

/** The names of the levels of a model's parts, and the level of a part. */
function levelOf(part: string, layers: number): number {
  if (part === 'embed') return 0
  if (part === 'logits') return 2 * layers + 1
  const [, layer, kind] = /^L(\d+)(H|MLP)/.exec(part)!
  return 1 + 2 * Number(layer) + (kind === 'H' ? 0 : 1)
}

const placeOfPart = (part: string): Place => {
  const [, layer] = /^L(\d+)MLP$/.exec(part) ?? []
  return layer === undefined ? placeOfLabel(part) : { layer: Number(layer) }
}

function graphView({ circuit, allEdges, metric }: DiscoveryValues): ViewSpec[] {
  if (circuit === null || circuit.edges.length === 0) return []
  // Keys and values that heads share are read by all of them: one node for the group.
  const ends = circuit.edges.map(({ from, to }) => {
    const [part, port] = to.split('.') as [string, string?]
    return { from, to: part, ...(port === undefined ? {} : { port }) }
  })
  const names = [...new Set(ends.flatMap(({ from, to }) => [from, to]))]
  const layers = 1 + Math.max(0, ...names.flatMap((name) => /^L(\d+)/.exec(name)?.slice(1).map(Number) ?? []))
  const level = (name: string) => levelOf(name.replace('KV', 'H'), layers)
  const nodes = names.sort((a, b) => level(a) - level(b) || a.localeCompare(b, 'en', { numeric: true }))
  const withinLayers = Array.from({ length: layers }, (_, layer) => [
    `layer ${layer} heads`,
    `layer ${layer} MLP`,
  ]).flat()
  return [
    {
      view: 'circuitGraph',
      props: {
        title: `Circuit of ${circuit.edges.length} of ${allEdges} edges: ${(100 * circuit.faithfulness).toFixed(0)}% of the difference, ${(100 * circuit.complement).toFixed(0)}% without it`,
        levels: ['input', ...withinLayers, 'output'],
        nodes: nodes.map((name) => ({ name, level: level(name) })),
        links: ends.map(({ from, to, ...port }, i) => {
          const { effect, modelEffect, score } = circuit.edges[i]!
          return {
            from: nodes.indexOf(from),
            to: nodes.indexOf(to),
            ...port,
            value: effect,
            others: [modelEffect, score],
          }
        }),
        valueLabel: `what the circuit's ${spoken(metric)} loses without the edge`,
        otherLabels: ['what the whole model loses without it', 'estimated effect'],
      },
      places: { rows: [...nodes, ...ends.map(({ from }) => from)].map(placeOfPart) },
    },
  ]
}

function curveView({ curve, circuit, clean, corrupt, metric }: DiscoveryValues): ViewSpec[] {
  const points = curve.filter(({ size }) => size > 0)
  if (points.length === 0) return []
  const x = points.map(({ size }) => size)
  const random = circuit?.random ?? []
  const size = circuit?.edges.length ?? 0
  return [
    {
      view: 'curves',
      props: {
        title: `Faithfulness by size (${spoken(metric)} ${clean.toFixed(3)} clean, ${corrupt.toFixed(3)} corrupted)`,
        series: [
          { name: 'only these edges clean', x, y: points.map(({ faithfulness }) => faithfulness) },
          { name: 'all but these edges clean', x, y: points.map(({ complement }) => complement) },
          ...(random.length === 0 || size === 0
            ? []
            : [
                {
                  name: 'random circuits of its size',
                  x: [size],
                  y: [random.reduce((sum, one) => sum + one, 0) / random.length],
                  low: [Math.min(...random)],
                  high: [Math.max(...random)],
                },
              ]),
        ],
        xLabel: 'edges of the circuit',
        yLabel: 'share of the difference',
        xScale: 'log',
      },
    },
  ]
}

function pairBars({ pairs }: DiscoveryValues): ViewSpec[] {
  const known = pairs.flatMap(({ faithfulness, heldOut }, prompt) =>
    faithfulness === null
      ? []
      : [{ bar: { label: `pair ${prompt}${heldOut ? ', held out' : ''}`, value: faithfulness }, place: { prompt } }],
  )
  return known.length < 2 ? [] : [barList('Faithfulness by pair', known, 'share of the difference')]
}
