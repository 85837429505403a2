import { describe, expect, it } from 'vitest'
import { blockForms } from '../../../test/support/toy-models.ts'
import { input, type Tensor, topologicalOrder } from '../../tensor/index.ts'
import type { Forward } from '../forward.ts'
import { hookPoints } from '../hook-points.ts'
import { weightShape } from '../layout.ts'
import { weightNames } from '../public-parameters.ts'
import { rectangularForward } from '../rectangular.ts'
import { traceModel } from './model.ts'

describe.each(Object.entries(blockForms))('block: %s', (_, config) => {
  const known = new Set(weightNames(config).map(({ name }) => name))

  /** A forward pass that cuts the graph at every join, narrowing and key store: what comes back are new inputs. */
  function cuttingForward() {
    const events: string[] = []
    const cuts: { readonly given: readonly Tensor[]; readonly allowed: ReadonlySet<Tensor> }[] = []
    let live: Tensor[] = []
    let rows: Tensor[] = []
    const tokens = input('tokens', [2, 3], 'int64')
    const fresh = (tensors: readonly Tensor[]) => tensors.map((t) => input('cut', t.shape, t.dtype))
    const cut = (tensors: readonly Tensor[]) => {
      cuts.push({ given: tensors, allowed: new Set([...(cuts.length === 0 ? [tokens] : []), ...live, ...rows]) })
      live = fresh(tensors)
      return live
    }
    const plain = rectangularForward({
      config,
      tokens,
      weight: (name) => input('weight', weightShape(config, name)),
      hasWeight: (name) => known.has(name),
    })
    const forward: Forward = {
      ...plain,
      hook(name, x) {
        events.push(name)
        return x
      },
      join(at, layer, tensors) {
        events.push(`join ${at} ${layer}`)
        const joined = cut(tensors)
        rows = [] // only attention itself reads the rows
        return joined
      },
      narrow(layer, tensors) {
        events.push(`narrow ${layer}`)
        return cut(tensors)
      },
      keys(_layer, k, v) {
        rows = fresh([k, v])
        return { k: rows[0]!, v: rows[1]! }
      },
    }
    const logits = traceModel(forward)
    cut([logits])
    return { events, cuts }
  }

  it('lets no tensor pass a join or a narrowing unseen', () => {
    for (const { given, allowed } of cuttingForward().cuts) {
      const inputs = topologicalOrder(given).filter(({ op }) => op === 'input')
      const strangers = inputs.filter((t) => ['cut', 'tokens'].includes(t.attributes.name as string) && !allowed.has(t))
      expect(strangers.map(String)).toEqual([])
    }
  })

  it('joins in every block, each before the hooks that a variant may enter at', () => {
    const { events } = cuttingForward()
    for (let l = 0; l < config.n_layers; l++) {
      const expected = [
        [`join block ${l}`, `blocks.${l}.hook_resid_pre`],
        [`narrow ${l}`, `blocks.${l}.attn.hook_q`],
        [`join z ${l}`, `blocks.${l}.attn.hook_z`],
        [`join post ${l}`, config.attn_only ? `blocks.${l}.hook_resid_post` : `blocks.${l}.mlp.hook_post`],
      ]
      for (const [join, hook] of expected) expect(events[events.indexOf(join!) + 1]).toBe(hook)
      const places = ['join block', 'narrow', 'join z', 'join mlp', 'join post'].map((at) =>
        events.indexOf(`${at} ${l}`),
      )
      expect(places).toEqual([...places].sort((a, b) => a - b))
      expect(events.filter((event) => event.startsWith('join') && event.endsWith(` ${l}`))).toHaveLength(4)
    }
  })

  it('has the hook points of its form', () => {
    expect(hookPoints(config).map(({ name, axes }) => `${name} [${axes.join(', ')}]`)).toMatchSnapshot()
  })
})
