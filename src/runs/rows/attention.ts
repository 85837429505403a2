import * as v from 'valibot'
import { type AttentionValues, attentionPatterns } from '../../methods/index.ts'
import { matrixAt, type ViewSpec } from '../../views/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { headsField, layersField, promptList } from '../fields.ts'
import { defineMethod } from '../method.ts'
import { barList, bars } from './grid-views.ts'
import { headPlaces, layerPlaces, positionPlaces, promptPlace } from './places.ts'

export const attention = defineMethod({
  name: 'attention',
  title: 'Attention patterns',
  summary: 'Attention patterns, and what each head mostly looks at',
  question: 'read',
  takes: 'prompts',
  example: { prompts: [EXAMPLE_TEXT] },
  prompts: promptList,
  parameters: v.strictObject({ layers: layersField, heads: headsField }),
  run: (model, prompts, parameters, context) => attentionPatterns(model, prompts, { ...parameters, ...context }),
  views: (values) => [...patternViews(values), ...rankingViews(values)],
})

/** Up to this many heads are drawn one by one, in full. */
const FEW = 4
const RANKED = 5

function patternViews({ layers, heads, prompts }: AttentionValues): ViewSpec[] {
  return prompts.flatMap(({ prompt: { tokens }, patterns }, i): ViewSpec[] => {
    const own = promptPlace(i, prompts.length)
    if (layers.length * heads.length > FEW) {
      const all = layers.every((layer, l) => layer === l) && heads.every((head, h) => head === h)
      const title = all
        ? 'Attention heads'
        : `Attention: rows are layers ${layers.join(', ')}, columns heads ${heads.join(', ')}`
      const places = { all: own, rows: layerPlaces(layers), columns: headPlaces(heads) }
      return [{ view: 'attentionHeads', props: { title, patterns, tokens }, places }]
    }
    return layers.flatMap((layer, l) =>
      heads.map(
        (head, h): ViewSpec => ({
          view: 'attention',
          props: {
            title: `L${layer}H${head}`,
            pattern: matrixAt(patterns, l, h)!,
            queryTokens: tokens,
            keyTokens: tokens,
          },
          places: {
            all: { ...own, layer, head },
            rows: positionPlaces(tokens),
            columns: tokens.map((_, key) => ({ key })),
          },
        }),
      ),
    )
  })
}

function rankingViews({ ranking, layers, heads }: AttentionValues): ViewSpec[] {
  if (layers.length * heads.length < 2) return []
  const titles = { previous: 'previous token', first: 'first token', diagonal: 'own token' } as const
  return Object.entries(titles).map(([name, title]) => {
    const top = ranking[name as keyof typeof titles].slice(0, RANKED)
    const placed = bars(
      top.map(({ layer, head }) => `L${layer}H${head}`),
      top.map(({ layer, head }) => ({ layer, head })),
      top.map(({ score }) => score),
    )
    return barList(`Heads by attention to the ${title}`, placed, `mean attention to the ${title}`)
  })
}
