import { it } from 'vitest'
import { loadModel } from '../lab/node/load-model.ts'
import { ablation } from './ablation.ts'
import { activationPatching } from './activation-patching.ts'
import { attributionPatching } from './attribution-patching.ts'

it('abl', async () => {
  const model = await loadModel('../shared/checkpoints/stories260K')
  const q = [{ prompt: 'Once upon a time, there was a little girl named', answer: ' Lily', wrong: ' Tim' }]
  for (const what of ['head', 'attn', 'mlp', 'neuron'] as const)
    for (const kind of ['zero', 'mean', 'resample'] as const) {
      const r = await ablation(model, q, { what, kind })
      console.log(
        what,
        kind,
        r.values.base,
        JSON.stringify((r.values.effect as number[][]).slice(0, 2).map((x) => (Array.isArray(x) ? x.slice(0, 3) : x))),
        r.values.loss?.base,
        r.checks.map(({ verdict, measured }) => verdict + ' ' + measured),
        r.cost,
      )
    }
  const pair = [
    {
      clean: 'Once upon a time, there was a little girl named',
      corrupt: 'Once upon a time, there was a little boy named',
      answer: ' Lily',
      wrong: ' Tim',
    },
  ]
  const p = await activationPatching(model, pair, { what: 'resid_pre' })
  console.log(
    JSON.stringify(p.values.values),
    p.values.clean,
    p.values.corrupt,
    JSON.stringify(p.values.axes),
    p.checks.map(({ verdict, measured }) => verdict + ' ' + measured),
    p.cost,
  )
  for (const what of ['resid_pre', 'z', 'pattern', 'neurons'] as const) {
    const a = await attributionPatching(model, pair, { what })
    console.log(
      what,
      JSON.stringify(a.values.values).slice(0, 300),
      a.values.exact.slice(0, 3),
      a.checks.map(({ verdict, measured }) => verdict + ' ' + measured),
      a.cost,
    )
  }
  const u = await activationPatching(model, [{ ...pair[0]!, corrupt: 'Once upon a time, there was a boy named' }], {
    what: 'resid_pre',
  })
  console.log(
    JSON.stringify(u.values.values),
    u.checks.map(({ verdict, measured }) => verdict + ' ' + measured),
  )
})
