import * as v from 'valibot'
import {
  ANSWER_METRICS,
  SUBSPACE_SOURCES,
  SUBSPACE_WHATS,
  type SubspacePatchValues,
  subspacePatching,
} from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_PRONOUN_PAIR } from '../examples.ts'
import { count, headsField, layersField, named, positionsField } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { barList, largest } from './grid-views.ts'
import { pairList, spoken } from './patch-fields.ts'

export const patchSubspace = defineMethod({
  name: 'patch_subspace',
  title: 'Subspace patching',
  summary: 'Whether one direction carries a difference between two prompts, or a patch only makes it seem so',
  question: 'cause',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_PRONOUN_PAIR], parameters: { what: 'neurons' } },
  prompts: pairList,
  parameters: v.strictObject({
    what: named(
      v.picklist(SUBSPACE_WHATS),
      'Activation',
      "Whose subspace is exchanged: the residual stream's, that of what a layer wrote, a head's z, or MLP neurons.",
    ),
    subspace: v.optional(
      named(
        v.picklist(SUBSPACE_SOURCES),
        'Subspace',
        'The mean difference between the runs, or a search by gradients for directions that restore the answer; the difference unless given.',
      ),
    ),
    dimensions: v.optional(named(count, 'Dimensions', 'How many directions are searched; 1 unless given.')),
    directions: v.optional(
      named(
        v.pipe(v.array(v.pipe(v.array(v.pipe(v.number(), v.finite())), v.minLength(1))), v.minLength(1)),
        'Directions',
        'The subspace itself, for a single layer (and head): a direction per line, a number per feature.',
      ),
    ),
    layers: layersField,
    heads: headsField,
    positions: positionsField,
    metric: v.optional(
      named(
        v.picklist(ANSWER_METRICS),
        'Metric',
        'What is measured at the end of the prompt; the logit difference where there is a wrong token, else the logit, unless given.',
      ),
    ),
  }),
  run: (model, prompts, parameters, context) => subspacePatching(model, prompts, { ...parameters, ...context }),
  views: (values) => [sharesMap(values, 'restored'), sharesMap(values, 'lost'), restoredBars(values)],
})

/** The most sites that are drawn one by one. */
const SHOWN = 25

const placeOf = ({ layer, head }: SubspacePatchValues['sites'][number]) => (head === null ? { layer } : { layer, head })

/** What is exchanged, in the order of the columns. */
const COLUMNS = ['subspace', 'read', 'rest', 'whole'] as const

function sharesMap(
  { what, subspace, metric, clean, corrupt, sites }: SubspacePatchValues,
  which: 'restored' | 'lost',
): ViewSpec {
  const size = (i: number) => Math.max(...Object.values(sites[i]!.restored).map((share) => Math.abs(share ?? 0)))
  const shown = sites
    .map((_, i) => i)
    .sort((a, b) => size(b) - size(a) || a - b)
    .slice(0, SHOWN)
    .sort((a, b) => a - b)
    .map((i) => sites[i]!)
  const columns = COLUMNS.filter((column) => column !== 'read' || shown.some(({ restored }) => restored.read !== null))
  const runs = `${spoken(metric)} ${clean.toFixed(2)} against ${corrupt.toFixed(2)}`
  return {
    view: 'heatMap',
    props: {
      title: `Subspaces of ${what} (${subspace}): what is ${which} when they are exchanged (${runs})`,
      values: shown.map((site) => columns.map((column) => site[which][column])),
      rowLabels: shown.map(({ label }) => label),
      columnLabels: columns,
      rowAxis: 'activation',
      columnAxis: 'exchanged',
      valueLabel: `share ${which} of the difference between the runs`,
    },
    places: { rows: shown.map(placeOf) },
  }
}

function restoredBars({ sites }: SubspacePatchValues): ViewSpec {
  const bars = sites.map((site) => ({
    bar: {
      label: site.label,
      value: site.restored.subspace,
      ...(site.low === null || site.high === null ? {} : { low: site.low, high: site.high }),
    },
    place: placeOf(site),
  }))
  return barList('What the subspace alone restores', largest(bars), 'share of the difference between the runs')
}
