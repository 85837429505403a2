import * as v from 'valibot'
import { type AttentionValues, attentionPatterns } from '../../methods/index.ts'
import type { ViewSpec } from '../../views/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { indices, promptList } from '../fields.ts'
import { defineMethod } from '../method.ts'

export const attention = defineMethod({
  name: 'attention',
  title: 'Attention patterns',
  summary: 'Attention patterns, and what each head mostly looks at',
  question: 'read',
  takes: 'prompts',
  example: { prompts: [EXAMPLE_TEXT] },
  prompts: promptList,
  parameters: v.strictObject({ layers: v.optional(indices), heads: v.optional(indices) }),
  run: (model, prompts, parameters, context) => attentionPatterns(model, prompts, { ...parameters, ...context }),
  views: (values) => [...patternViews(values), ...rankingViews(values)],
})

/** Up to this many heads are drawn one by one, in full. */
const FEW = 4
const RANKED = 5

function patternViews({ layers, heads, prompts }: AttentionValues): ViewSpec[] {
  return prompts.flatMap(({ prompt: { tokens }, patterns }): ViewSpec[] => {
    if (layers.length * heads.length > FEW) {
      const all = layers.every((layer, l) => layer === l) && heads.every((head, h) => head === h)
      const title = all
        ? 'Attention heads'
        : `Attention: rows are layers ${layers.join(', ')}, columns heads ${heads.join(', ')}`
      return [{ view: 'attentionHeads', props: { title, patterns, tokens } }]
    }
    return layers.flatMap((layer, l) =>
      heads.map(
        (head, h): ViewSpec => ({
          view: 'attention',
          props: { title: `L${layer}H${head}`, pattern: patterns[l]![h]!, queryTokens: tokens, keyTokens: tokens },
        }),
      ),
    )
  })
}

function rankingViews({ ranking, layers, heads }: AttentionValues): ViewSpec[] {
  if (layers.length * heads.length < 2) return []
  const titles = { previous: 'previous token', first: 'first token', diagonal: 'own token' } as const
  return Object.entries(titles).map(
    ([name, title]): ViewSpec => ({
      view: 'barList',
      props: {
        title: `Heads by attention to the ${title}`,
        bars: ranking[name as keyof typeof titles]
          .slice(0, RANKED)
          .map(({ layer, head, score }) => ({ label: `L${layer}H${head}`, value: score })),
        valueLabel: `mean attention to the ${title}`,
      },
    }),
  )
}
