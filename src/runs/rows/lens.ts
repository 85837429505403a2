import * as v from 'valibot'
import { logitLens } from '../../methods/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { promptList, topKField } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { positionPlaces, promptPlace } from './places.ts'

export const lens = defineMethod({
  name: 'lens',
  title: 'Logit lens',
  summary: 'What the model would say after every layer (logit lens)',
  question: 'read',
  takes: 'prompts',
  example: { prompts: [EXAMPLE_TEXT] },
  prompts: promptList,
  parameters: v.strictObject({ topK: topKField('cell') }),
  run: (model, prompts, parameters, context) => logitLens(model, prompts, { ...parameters, ...context }),
  views: ({ layers, prompts }) =>
    prompts.map(({ prompt: { tokens }, cells }, i) => ({
      view: 'lensGrid',
      props: { title: 'Logit lens', cells, layerLabels: layers, tokens },
      places: {
        all: promptPlace(i, prompts.length),
        // The first row is the embedding, which belongs to no layer.
        rows: [{}, ...layers.slice(1).map((layer) => ({ layer: Number(layer) }))],
        columns: positionPlaces(tokens),
      },
    })),
})
