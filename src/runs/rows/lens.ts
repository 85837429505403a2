import * as v from 'valibot'
import { logitLens } from '../../methods/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { count, promptList } from '../fields.ts'
import { defineMethod } from '../method.ts'

export const lens = defineMethod({
  name: 'lens',
  title: 'Logit lens',
  summary: 'What the model would say after every layer (logit lens)',
  question: 'read',
  takes: 'prompts',
  example: { prompts: [EXAMPLE_TEXT] },
  prompts: promptList,
  parameters: v.strictObject({ topK: v.optional(count) }),
  run: (model, prompts, parameters, context) => logitLens(model, prompts, { ...parameters, ...context }),
  views: ({ layers, prompts }) =>
    prompts.map(({ prompt, cells }) => ({
      view: 'lensGrid',
      props: { title: 'Logit lens', cells, layerLabels: layers, tokens: prompt.tokens },
    })),
})
