import * as v from 'valibot'
import { activationPatching, type PatchSweep } from '../../methods/index.ts'
import { EXAMPLE_PAIR } from '../examples.ts'
import { named } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { sweepViews } from './grid-views.ts'
import { pairList, patchFields, spoken } from './patch-fields.ts'
import { patchedPlaces } from './places.ts'
import { patchRuns } from './runs-at.ts'

export const patch = defineMethod({
  name: 'patch',
  title: 'Activation patching',
  summary: 'Where a difference between two prompts is carried (activation patching)',
  question: 'cause',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_PAIR], parameters: { what: 'resid_pre' } },
  prompts: pairList,
  parameters: v.strictObject({
    ...patchFields,
    bothDirections: v.optional(
      named(v.boolean(), 'Both directions', 'Whether the other direction is run too, to compare; yes unless given.'),
    ),
  }),
  run: (model, prompts, parameters, context) => activationPatching(model, prompts, { ...parameters, ...context }),
  views({ what, metric, clean, corrupt, reverse, pairs, ...main }) {
    const references = [
      { label: 'corrupted', value: corrupt },
      { label: 'clean', value: clean },
    ]
    const picture = ({ direction, axes, values, positions }: PatchSweep) =>
      sweepViews({
        title: `Patching ${what}, ${spoken(direction)}`,
        axes,
        values,
        valueLabel: `${spoken(metric)} after patching`,
        unpatched: direction === 'clean_into_corrupted' ? corrupt : clean,
        references,
        positions: patchedPlaces(pairs[0]!, direction, positions),
      })
    return [main, ...(reverse ? [reverse] : [])].flatMap(picture)
  },
  runsAt: (spec, values, place) =>
    patchRuns(spec, values, [values, ...(values.reverse ? [values.reverse] : [])], place),
})
