import * as v from 'valibot'
import { Meter } from '../../methods/index.ts'
import { EXAMPLE_TEXT } from '../examples.ts'
import { named, promptList } from '../fields.ts'
import { defineMethod } from '../method.ts'

export const capture = defineMethod({
  name: 'capture',
  title: 'Activations',
  summary: 'Activations by hook name or glob',
  question: 'read',
  takes: 'prompts',
  example: { prompts: [EXAMPLE_TEXT], parameters: { hooks: ['blocks.0.attn.hook_pattern'] } },
  prompts: promptList,
  parameters: v.strictObject({
    hooks: named(
      v.pipe(v.array(v.pipe(v.string(), v.nonEmpty())), v.minLength(1)),
      'Hooks',
      'Names of hook points, or globs such as blocks.*.hook_resid_post.',
    ),
  }),
  async run(model, prompts, { hooks }, { edits, prependBos, signal }) {
    const meter = new Meter(model)
    const run = await model.run(prompts, { capture: hooks, edits, prependBos, signal })
    const arrays = Object.fromEntries(
      Object.entries(run.captures).map(([hook, { axes, shape, dtype, data, lengths }]) => [
        hook,
        { axes, shape, dtype, data, lengths },
      ]),
    )
    const values = { prompts: run.prompts, arrays }
    return { values, checks: [], cost: meter.cost, edits: run.edits, provenance: run.provenance, complete: true }
  },
  views: () => [],
})
