import * as v from 'valibot'
import { EDGE_ESTIMATES, edgeAttribution } from '../../methods/index.ts'
import { EXAMPLE_PRONOUN_PAIR } from '../examples.ts'
import { named, positionsField } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { edgeRunsAt, edgeViews } from './edge-views.ts'
import { pairList, patchFields, spoken } from './patch-fields.ts'

export const edgeAttributionRow = defineMethod({
  name: 'edge_attribution',
  title: 'Edge attribution',
  summary: 'All connections at once, estimated from gradients (EAP, EAP-IG)',
  question: 'circuits',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_PRONOUN_PAIR] },
  prompts: pairList,
  parameters: v.strictObject({
    estimate: v.optional(
      named(
        v.picklist(EDGE_ESTIMATES),
        'Gradient',
        'At the run that is patched (eap), or averaged over runs between both (eap_ig); eap_ig unless given.',
      ),
    ),
    steps: v.optional(
      named(
        v.pipe(v.number(), v.integer(), v.minValue(2)),
        'Steps',
        'Of eap_ig: how many runs the gradient is averaged over, both ends included; 5 unless given.',
      ),
    ),
    positions: positionsField,
    direction: patchFields.direction,
    metric: patchFields.metric,
  }),
  run: (model, prompts, parameters, context) => edgeAttribution(model, prompts, { ...parameters, ...context }),
  views: ({ senders, receivers, values, low, high, direction, metric, estimate, steps, pairs }) =>
    edgeViews({
      title: `Estimated effects of edges (${estimate === 'eap' ? 'EAP' : `EAP-IG, ${steps} steps`}), ${spoken(direction)}`,
      senders,
      receivers,
      values,
      low,
      high,
      valueLabel: `estimated change of the ${spoken(metric)}`,
      direction,
      pair: pairs[0]!,
    }),
  runsAt: (spec, _, place) => edgeRunsAt(spec, place),
})
