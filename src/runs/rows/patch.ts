import * as v from 'valibot'
import { activationPatching, type PatchSweep } from '../../methods/index.ts'
import { EXAMPLE_PAIR } from '../examples.ts'
import { defineMethod } from '../method.ts'
import { sweepViews } from './grid-views.ts'
import { pairList, patchFields, spoken } from './patch-fields.ts'

export const patch = defineMethod({
  name: 'patch',
  title: 'Activation patching',
  summary: 'Where a difference between two prompts is carried (activation patching)',
  question: 'cause',
  takes: 'pairs',
  example: { prompts: [EXAMPLE_PAIR], parameters: { what: 'resid_pre' } },
  prompts: pairList,
  parameters: v.strictObject({ ...patchFields, bothDirections: v.optional(v.boolean()) }),
  run: (model, prompts, parameters, context) => activationPatching(model, prompts, { ...parameters, ...context }),
  views({ what, metric, clean, corrupt, reverse, ...main }) {
    const references = [
      { label: 'corrupted', value: corrupt },
      { label: 'clean', value: clean },
    ]
    const picture = ({ direction, axes, values }: PatchSweep) =>
      sweepViews({
        title: `Patching ${what}, ${spoken(direction)}`,
        axes,
        values,
        valueLabel: `${spoken(metric)} after patching`,
        unpatched: direction === 'clean_into_corrupted' ? corrupt : clean,
        references,
      })
    return [main, ...(reverse ? [reverse] : [])].flatMap(picture)
  },
})
