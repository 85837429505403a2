import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { type Activation, logitDifference, ofPrompt, openCompiled } from '../../lab/index.ts'
import { compileModel, edgeName, trueEdges } from '../../models/compiled/index.ts'
import { type EdgeAttributionValues, edgeAttribution } from './edge-attribution.ts'
import { senderHook, sendersNamed } from './edge-parts.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 0, 3], answer: 0, wrong: 2 }
const metric = logitDifference(PAIR.answer, PAIR.wrong)

const sum = (row: unknown) => (row as (number | null)[]).reduce<number>((total, x) => total + (x ?? 0), 0)

describe.each(Object.entries(toyForms))('edge attribution of a toy: %s', (_, config) => {
  it("a sender's edges add up to its own first-order effect, by the chain rule", async () => {
    const model = await openToy(config, { backend })
    const senders = sendersNamed(config, ['all'])
    const hooks = [...new Set(senders.map(senderHook))]
    const { values } = await edgeAttribution(model, [PAIR], { estimate: 'eap' })
    const source = await model.run([PAIR.clean], { capture: hooks })
    const target = await model.run([PAIR.corrupt], { capture: hooks, grad: hooks, metric })
    senders.forEach((sender, s) => {
      // Behind a norm of the sum of heads a head's own part is taken exactly, not to first order.
      if (config.post_norms && sender.kind === 'head') return
      const hook = senderHook(sender)
      const [from, into, slope] = [
        source.captures[hook]!,
        target.captures[hook]!,
        target.gradients[hook] as Activation,
      ].map((activation) => ofPrompt(activation!, 0))
      const { shape, data } = into!
      let expected = 0
      for (let i = 0; i < data.length; i++) {
        const head = Math.floor(i / shape.at(-1)!) % config.n_heads
        if (sender.head === undefined || head === sender.head)
          expected += (Number(from!.data[i]) - Number(data[i])) * Number(slope!.data[i])
      }
      expect(sum(values.values[s]), sender.name).toBeCloseTo(expected, 4)
    })
    await model.dispose()
  })

  it('integrated gradients of many steps are complete', async () => {
    const model = await openToy(config, { backend })
    const { values } = await edgeAttribution(model, [PAIR], { estimate: 'eap_ig', steps: 41 })
    expect(sum(values.values[0])).toBeCloseTo(values.clean - values.corrupt, 2)
    const few = await edgeAttribution(model, [PAIR], { estimate: 'eap_ig', direction: 'corrupted_into_clean' })
    expect(few.values.steps).toBe(5)
    expect(few.checks.find(({ name }) => /add up to the difference/.test(name))!.verdict).toBe('holds')
    await model.dispose()
  })
})

/** The largest error of the estimates, as a share of the difference between the runs. */
function worstError(
  { senders, receivers, values, clean, corrupt }: EdgeAttributionValues,
  truth: ReadonlyMap<string, number>,
) {
  let worst = 0
  senders.forEach((sender, s) => {
    receivers.forEach((receiver, r) => {
      const score = (values[s] as (number | null)[])[r]!
      if (score === null) return
      const name = `${sender}->${receiver.includes('.') ? receiver : `${receiver}.in`}`
      worst = Math.max(worst, Math.abs(score / (clean - corrupt) - truth.get(name)!))
    })
  })
  return worst
}

describe('plain edge attribution of gates', () => {
  it.each(['and-gate', 'xor-gate'])('%s: wherever the gradient misses what is true, a check says so', async (name) => {
    const outcomes: { seed: number; pair: string; wrong: boolean; said: boolean }[] = []
    for (const seed of [1, 2, 3]) {
      const compiled = compileModel(name, { seed })
      const truth = trueEdges(compiled)
      const model = await openCompiled(compiled, backend)
      const kinds = new Map(compiled.pairs.map((pair, p) => [pair.changes, p]))
      for (const p of kinds.values()) {
        for (const direction of ['clean_into_corrupted', 'corrupted_into_clean'] as const) {
          const pair = compiled.pairs[p]!
          const into = direction === 'clean_into_corrupted'
          const shares = new Map<string, number>(
            truth.map(({ edge, noising, denoising }) => [edgeName(edge), into ? denoising[p]! : -noising[p]!]),
          )
          const { values, checks } = await edgeAttribution(model, [pair], { estimate: 'eap', direction })
          const change = (into ? 1 : -1) * (values.clean - values.corrupt)
          const incomplete = Math.abs(sum(values.values[0]) - change) > 0.25 * Math.abs(change)
          const own = checks.slice(2, 5)
          const wrong = incomplete || worstError(values, shares) > 0.25
          outcomes.push({
            seed,
            pair: `${p} ${direction}`,
            wrong,
            said: own.some(({ verdict }) => verdict === 'fails'),
          })
        }
      }
      await model.dispose()
    }
    expect(outcomes.filter(({ wrong }) => wrong).length).toBeGreaterThan(1)
    expect(outcomes.filter(({ wrong, said }) => wrong !== said)).toEqual([])
  })

  it('an AND of two closed inputs has no gradient at all: its edges are missed, and the sum says so', async () => {
    const compiled = compileModel('and-gate', { seed: 1 })
    const model = await openCompiled(compiled, backend)
    const { values, checks } = await edgeAttribution(model, compiled.pairs.slice(0, 1), { estimate: 'eap' })
    expect(sum(values.values[0])).toBeCloseTo(0, 3)
    expect(checks.find(({ name }) => /from the embedding add up/.test(name))!.verdict).toBe('fails')
    await model.dispose()
  })
})
