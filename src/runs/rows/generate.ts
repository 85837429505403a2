import * as v from 'valibot'
import { Meter } from '../../methods/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { count, named, promptList } from '../fields.ts'
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
    tokens: named(v.pipe(v.number(), v.integer(), v.minValue(0)), 'Tokens', 'The most new tokens per prompt.'),
    greedy: v.optional(
      named(
        v.boolean(),
        'Greedy',
        'Always the most probable token; so it is, too, when no temperature, top k or top p is given.',
      ),
    ),
    temperature: v.optional(
      named(
        positive,
        'Temperature',
        'Divides the logits before sampling: below 1 surer, 0 greedy. Without it, top k or top p nothing is sampled.',
      ),
    ),
    topK: v.optional(
      named(count, 'Top k', 'Sampling is from this many of the most probable tokens; all unless given.'),
    ),
    topP: v.optional(
      named(
        v.pipe(v.number(), v.gtValue(0), v.maxValue(1)),
        'Top p',
        'Sampling is from the fewest tokens that together have this probability (nucleus); all unless given.',
      ),
    ),
    stop: v.optional(
      named(
        v.array(v.pipe(v.string(), v.nonEmpty())),
        'Stop texts',
        'Texts that end a continuation, and are no part of it; none unless given.',
      ),
    ),
    stopAtSpecial: v.optional(
      named(
        v.boolean(),
        'Stop at special tokens',
        'Whether a start or end token ends a continuation; yes unless given.',
      ),
    ),
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
