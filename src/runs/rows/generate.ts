import * as v from 'valibot'
import { Meter } from '../../methods/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { count, promptList } from '../fields.ts'
import { defineMethod } from '../method.ts'

const positive = v.pipe(v.number(), v.finite(), v.minValue(0))

export const generate = defineMethod({
  name: 'generate',
  title: 'Continuations',
  summary: 'Continuations of prompts, with edits if wanted',
  question: 'read',
  takes: 'prompts',
  example: { prompts: [EXAMPLE_TEXT], parameters: { tokens: 20, greedy: true } },
  prompts: promptList,
  parameters: v.strictObject({
    tokens: v.pipe(v.number(), v.integer(), v.minValue(0)),
    greedy: v.optional(v.boolean()),
    temperature: v.optional(positive),
    topK: v.optional(count),
    topP: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1))),
    stop: v.optional(v.array(v.pipe(v.string(), v.nonEmpty()))),
    stopAtSpecial: v.optional(v.boolean()),
  }),
  async run(model, prompts, parameters, context) {
    const meter = new Meter(model)
    const { continuations, edits, provenance } = await model.generate(prompts, { ...parameters, ...context })
    return {
      values: { continuations },
      checks: [],
      cost: meter.cost,
      edits,
      provenance,
      complete: continuations.every(({ stoppedBy }) => stoppedBy !== 'cancelled'),
    }
  },
  views: () => [],
})
