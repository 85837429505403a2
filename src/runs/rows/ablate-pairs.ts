import * as v from 'valibot'
import { ablatePairs } from '../../methods/index.ts'
import type { Value, ViewSpec } from '../../views/index.ts'
import { EXAMPLE_QUESTION } from '../examples.ts'
import { count, named, questionList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { componentAblationFields } from './ablation-fields.ts'
import { barList } from './grid-views.ts'
import { spoken } from './patch-fields.ts'
import { placeOfComponent } from './places.ts'

export const ablatePairsRow = defineMethod({
  name: 'ablate_pairs',
  title: 'Pairs of ablations',
  summary: 'Which parts stand in for each other or work in series: the top parts taken out in pairs',
  question: 'cause',
  takes: 'questions',
  example: { prompts: [EXAMPLE_QUESTION] },
  prompts: questionList,
  parameters: v.strictObject({
    ...componentAblationFields,
    top: v.optional(
      named(
        v.pipe(count, v.minValue(2)),
        'Parts',
        'How many of the most promising parts are paired with each other; 8 unless given.',
      ),
    ),
  }),
  run: (model, prompts, parameters, context) => ablatePairs(model, prompts, { ...parameters, ...context }),
  views({ parts, interaction, joint, strongest, kind, metric, base }) {
    const names = parts.map(({ part }) => part)
    const places = names.map(placeOfComponent)
    const map = (title: string, values: typeof joint, valueLabel: string): ViewSpec => ({
      view: 'heatMap',
      props: {
        title,
        values: values as readonly (readonly Value[])[],
        rowLabels: names,
        columnLabels: names,
        rowAxis: 'without',
        columnAxis: 'and without',
        valueLabel,
      },
      places: { rows: places, columns: places },
    })
    const change = `change of the ${spoken(metric)}`
    const bars = strongest.map(({ parts: [a, b], interaction: value, relation }) => ({
      bar: { label: `${a} and ${b} (${relation})`, value },
      place: placeOfComponent(a),
    }))
    return [
      map(
        `${spoken(kind)} ablation of pairs: interactions (${spoken(metric)} ${base.toFixed(3)})`,
        interaction,
        `${change}, less those of both alone`,
      ),
      map(`${spoken(kind)} ablation of pairs: joint effects; single ones on the diagonal`, joint, change),
      barList('Largest interactions', bars, `${change}, less those of both alone`),
    ]
  },
})
