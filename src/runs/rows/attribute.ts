import * as v from 'valibot'
import { type AttributionValues, DECOMPOSITIONS, directLogitAttribution } from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_QUESTION } from '../examples.ts'
import { named, position, questionList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import type { QuestionJson } from '../prompt-schema.ts'
import { barList, bars, largest } from './grid-views.ts'
import { headPlaces, layerPlaces, placeOfLabel, upTo } from './places.ts'
import { predictionSpec, regionOf } from './runs-at.ts'

export const attribute = defineMethod({
  name: 'attribute',
  title: 'Direct logit attribution',
  summary: 'Which parts write the answer (direct logit attribution)',
  question: 'cause',
  takes: 'questions',
  example: { prompts: [EXAMPLE_QUESTION] },
  prompts: questionList,
  parameters: v.strictObject({
    by: v.optional(
      named(
        v.picklist(DECOMPOSITIONS),
        'Split into',
        'Layers (component), heads, heads and layers (full), heads and neurons, or the stream after every layer (accumulated); component unless given.',
      ),
    ),
    position: v.optional(
      named(position, 'Position', 'The token position whose logits are split, from 0; the last one (-1) unless given.'),
    ),
    finalNormWeight: v.optional(
      named(
        v.boolean(),
        'Final norm weight',
        "Whether the final norm's weight counts; without it parts add up only where norms are folded. Yes unless given.",
      ),
    ),
  }),
  run: (model, prompts, parameters, context) => directLogitAttribution(model, prompts, { ...parameters, ...context }),
  views: attributionViews,
  runsAt(spec, { by, labels, position }, { prompt = 0, layer, head, neuron }) {
    const asked = spec.prompts[prompt] as QuestionJson | undefined
    // States of the stream are no parts that could be taken out.
    if (asked === undefined || layer === undefined || by === 'accumulated') return []
    const found = labels.filter((label) => {
      const place = placeOfLabel(label)
      return place.layer === layer && place.head === head && place.neuron === neuron
    })
    if (found.length === 0) return []
    const without = found.map((label) => {
      const hook =
        head !== undefined ? 'attn.hook_z' : neuron !== undefined ? 'mlp.hook_post' : label.replace(/^\d+_/, 'hook_')
      const region = regionOf({ layer, head, neuron }, hook, [position])
      return predictionSpec(spec, `without ${label}`, asked.prompt, { ...region, kind: 'zero' })
    })
    return [predictionSpec(spec, 'whole', asked.prompt), ...without]
  },
})

function attributionViews(values: AttributionValues): ViewSpec[] {
  const { by, labels, low, high, layers, heads, total } = values
  const what = values.metric === 'logit' ? "the answer's logit" : 'the logit difference'
  const valueLabel = `attribution to ${what} (logits)`
  const title = `Direct attribution of ${what} (${total.toFixed(3)}) by ${by}`
  const all = bars(labels, labels.map(placeOfLabel), values.values, low, high)
  if (by === 'component' || by === 'accumulated') {
    const constant = { bar: { label: 'constant (biases)', value: values.constant }, place: {} }
    return [barList(title, by === 'component' ? [...all, constant] : all, valueLabel)]
  }
  const grid: ViewSpec = {
    view: 'heatMap',
    props: {
      title: `${title}: heads`,
      values: upTo(layers).map((l) => values.values.slice(l * heads, (l + 1) * heads)),
      rowLabels: upTo(layers).map((l) => `layer ${l}`),
      columnLabels: upTo(heads).map((h) => `H${h}`),
      rowAxis: 'layer',
      columnAxis: 'head',
      valueLabel,
    },
    places: { rows: layerPlaces(upTo(layers)), columns: headPlaces(upTo(heads)) },
  }
  return [grid, barList(`${title}: largest parts`, largest(all), valueLabel)]
}
