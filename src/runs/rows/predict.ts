import * as v from 'valibot'
import { nextTokenPredictions } from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { promptList, topKField } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { barList, bars } from './grid-views.ts'
import { positionPlaces, promptPlace } from './places.ts'

export const predict = defineMethod({
  name: 'predict',
  title: 'Predictions',
  summary: 'What the model expects next, and how surprised it is by every token',
  question: 'read',
  takes: 'prompts',
  example: { prompts: [EXAMPLE_TEXT] },
  prompts: promptList,
  parameters: v.strictObject({ topK: topKField('position') }),
  run: (model, prompts, parameters, context) => nextTokenPredictions(model, prompts, { ...parameters, ...context }),
  views: ({ prompts }) =>
    prompts.flatMap(({ prompt: { tokens }, expectations, meanLoss }, i): ViewSpec[] => {
      const own = promptPlace(i, prompts.length)
      const said = meanLoss === null ? '' : `: ${meanLoss.toFixed(3)} nats a token`
      const last = expectations.at(-1)!
      const next = bars(
        last.top.map(({ token }) => token),
        last.top.map(() => ({})),
        last.top.map(({ probability }) => probability),
      )
      return [
        {
          view: 'tokenStrip',
          props: {
            title: `Loss of every token${said}`,
            tokens,
            // What was expected of a token is read where the one before it stands.
            values: [null, ...expectations.slice(0, -1).map(({ loss }) => loss)],
            top: [[], ...expectations.slice(0, -1).map(({ top }) => top)],
            valueLabel: 'loss (nats)',
          },
          places: { all: own, columns: positionPlaces(tokens) },
        },
        barList('What comes next', next, 'probability', { ...own, position: tokens.length - 1 }),
      ]
    }),
})
