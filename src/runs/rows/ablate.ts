import * as v from 'valibot'
import { ABLATABLE, ABLATION_KINDS, ablation, METRICS } from '../../methods/index.ts'
import { EXAMPLE_QUESTION } from '../examples.ts'
import { indices, promptList, questionList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { sweepViews } from './grid-views.ts'
import { spoken } from './patch-fields.ts'

export const ablate = defineMethod({
  name: 'ablate',
  title: 'Ablation',
  summary: 'What breaks when a head, a layer or a neuron is taken out',
  question: 'cause',
  takes: 'questions',
  example: { prompts: [EXAMPLE_QUESTION] },
  prompts: questionList,
  parameters: v.strictObject({
    what: v.optional(v.picklist(ABLATABLE)),
    kind: v.optional(v.picklist(ABLATION_KINDS)),
    reference: v.optional(promptList),
    layers: v.optional(indices),
    heads: v.optional(indices),
    neurons: v.optional(indices),
    positions: v.optional(indices),
    metric: v.optional(v.picklist(METRICS)),
  }),
  run: (model, prompts, parameters, context) => ablation(model, prompts, { ...parameters, ...context }),
  views({ what, kind, metric, base, effect, loss, axes }) {
    const picture = (name: string, from: number, values: typeof effect) =>
      sweepViews({
        title: `${kind} ablation by ${what}: change of the ${name} (${from.toFixed(3)} unablated)`,
        axes,
        values,
        valueLabel: `change of the ${name}`,
        unpatched: 0,
      })
    return [...picture(spoken(metric), base, effect), ...(loss ? picture('loss (nats)', loss.base, loss.effect) : [])]
  },
})
