import * as v from 'valibot'
import { attributionPatching } from '../../methods/index.ts'
import { EXAMPLE_PAIR } from '../examples.ts'
import { defineMethod } from '../method.ts'
import { sweepViews } from './grid-views.ts'
import { pairList, patchFields, spoken } from './patch-fields.ts'
import { patchedPlaces } from './places.ts'
import { patchRuns } from './runs-at.ts'

export const attributionPatch = defineMethod({
  name: 'attribution_patch',
  title: 'Attribution patching',
  summary: 'Patching estimated from one gradient (attribution patching)',
  question: 'cause',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_PAIR], parameters: { what: 'resid_pre' } },
  prompts: pairList,
  parameters: v.strictObject(patchFields),
  run: (model, prompts, parameters, context) => attributionPatching(model, prompts, { ...parameters, ...context }),
  views: ({ what, metric, direction, axes, values, positions, pairs }) =>
    sweepViews({
      title: `Estimated effect of patching ${what}, ${spoken(direction)}`,
      axes,
      values,
      valueLabel: `estimated change of the ${spoken(metric)}`,
      unpatched: 0,
      positions: patchedPlaces(pairs[0]!, direction, positions),
    }),
  runsAt: (spec, values, place) => patchRuns(spec, values, [values], place),
})
