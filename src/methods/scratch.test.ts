import { it } from 'vitest'
import { loadModel } from '../lab/node/load-model.ts'
import { attentionPatterns } from './attention-patterns.ts'
import { logitLens } from './logit-lens.ts'

it('x', async () => {
  const model = await loadModel('../shared/checkpoints/stories260K')
  const r = await logitLens(model, ['Once upon a time, there was a little girl named'], { topK: 2 })
  console.log(
    JSON.stringify(r.values.prompts[0]!.cells.map((row) => row.at(-1))),
    JSON.stringify(r.checks, null, 1),
    r.cost,
  )
  const a = await attentionPatterns(model, ['Once upon a time, there was a little girl named'])
  console.log(JSON.stringify(a.values.ranking.previous.slice(0, 3)), JSON.stringify(a.checks, null, 1), a.cost)
})

import { directLogitAttribution, residualStack } from './direct-logit-attribution.ts'

it('dla', async () => {
  const model = await loadModel('../shared/checkpoints/stories260K')
  for (const by of ['component', 'head', 'accumulated', 'full', 'neuron'] as const) {
    const r = await directLogitAttribution(
      model,
      [{ prompt: 'Once upon a time, there was a little girl named', answer: ' Lily', wrong: ' Tim' }],
      { by },
    )
    console.log(
      by,
      r.values.labels.length,
      r.values.values.slice(0, 12),
      r.values.total,
      r.values.constant,
      JSON.stringify(
        r.checks.map(({ verdict, measured }) => [verdict, measured]),
        null,
        1,
      ),
      r.cost,
    )
  }
})
