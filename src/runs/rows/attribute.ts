import * as v from 'valibot'
import { type AttributionValues, DECOMPOSITIONS, directLogitAttribution } from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_QUESTION } from '../examples.ts'
import { position, questionList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { bars, largest } from './grid-views.ts'

export const attribute = defineMethod({
  name: 'attribute',
  title: 'Direct logit attribution',
  summary: 'Which parts write the answer (direct logit attribution)',
  question: 'cause',
  takes: 'questions',
  example: { prompts: [EXAMPLE_QUESTION] },
  prompts: questionList,
  parameters: v.strictObject({
    by: v.optional(v.picklist(DECOMPOSITIONS)),
    position: v.optional(position),
    finalNormWeight: v.optional(v.boolean()),
  }),
  run: (model, prompts, parameters, context) => directLogitAttribution(model, prompts, { ...parameters, ...context }),
  views: attributionViews,
})

function attributionViews(values: AttributionValues): ViewSpec[] {
  const { by, labels, low, high, layers, heads, total } = values
  const what = values.metric === 'logit' ? "the answer's logit" : 'the logit difference'
  const valueLabel = `attribution to ${what} (logits)`
  const title = `Direct attribution of ${what} (${total.toFixed(3)}) by ${by}`
  const all = bars(labels, values.values, low, high)
  if (by === 'component' || by === 'accumulated') {
    const rest = by === 'component' ? [{ label: 'constant (biases)', value: values.constant }] : []
    return [{ view: 'barList', props: { title, bars: [...all, ...rest], valueLabel } }]
  }
  const grid: ViewSpec = {
    view: 'heatMap',
    props: {
      title: `${title}: heads`,
      values: Array.from({ length: layers }, (_, l) => values.values.slice(l * heads, (l + 1) * heads)),
      rowLabels: Array.from({ length: layers }, (_, l) => `layer ${l}`),
      columnLabels: Array.from({ length: heads }, (_, h) => `H${h}`),
      rowAxis: 'layer',
      columnAxis: 'head',
      valueLabel,
    },
  }
  return [grid, { view: 'barList', props: { title: `${title}: largest parts`, bars: largest(all), valueLabel } }]
}
