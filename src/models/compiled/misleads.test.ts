import { afterAll, describe, expect, it } from 'vitest'
import { createNodeBackend } from '../../engine/node/backend.ts'
import type { Model } from '../../lab/index.ts'
import { openCompiled } from '../../lab/open-compiled.ts'
import { compositionScores, rankPairs } from '../../methods/circuits/composition.ts'
import { eigenvalueCopying } from '../../methods/circuits/eigenvalue-copying.ts'
import { headDetectors } from '../../methods/heads/head-detectors.ts'
import { logitLens } from '../../methods/lens/logit-lens.ts'
import { type CompiledModel, compileModel } from './index.ts'
import { parsePart } from './parts.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

async function opened<T>(compiled: CompiledModel, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openCompiled(compiled, backend)
  try {
    return await use(model)
  } finally {
    await model.dispose()
  }
}

function headOf({ truth }: CompiledModel, role: string): { layer: number; head: number } {
  const { layer, index } = parsePart(Object.entries(truth.roles).find(([, one]) => one === role)![0])
  return { layer, head: index }
}

/** The K-composition of two roles among all pairs, from 1. */
async function ranked(compiled: CompiledModel, roles: readonly [string, string], centred: boolean) {
  const scores = await opened(compiled, (model) => compositionScores(model))
  const [from, to] = roles.map((role) => headOf(compiled, role))
  const all = rankPairs(scores, 'K', centred)
  const place = all.findIndex(
    (pair) => pair.from.head === from!.head && pair.to.head === to!.head && pair.to.layer === to!.layer,
  )
  return { rank: place + 1, z: all[place]!.z }
}

describe.each([11, 12])('mechanisms mislead where they should, seed %i:', (seed) => {
  const neighbours = (name: string) => [1, 0].map((mislead) => compileModel(name, { seed, mislead }))

  it('a composition channel of rank one is lost in the norm, a wide one is first', async () => {
    const [hidden, open] = neighbours('composition-channel')
    const lost = await ranked(hidden!, ['marks', 'finds'], false)
    expect(lost.z < 2 || lost.rank > 3).toBe(true)
    expect(await ranked(open!, ['marks', 'finds'], false)).toMatchObject({ rank: 1 })
  })

  it('a common-mode direction fakes composition until weights are centred', async () => {
    const [fake, none] = neighbours('common-mode')
    expect((await ranked(fake!, ['shouts', 'listens'], false)).z).toBeGreaterThan(20)
    expect((await ranked(fake!, ['shouts', 'listens'], true)).z).toBeLessThan(4)
    expect((await ranked(none!, ['shouts', 'listens'], false)).z).toBeLessThan(4)
    expect((await ranked(fake!, ['marks', 'finds'], true)).rank).toBe(1)
  })

  it('eigenvalues say copying of a head that copies and of one that does not', async () => {
    for (const compiled of neighbours('non-normal-copying')) {
      const { layer, head } = headOf(compiled, 'maps a token')
      const { scores, centred } = await opened(compiled, (model) => eigenvalueCopying(model))
      expect(scores[layer]![head]!).toBeGreaterThan(0.99)
      expect(centred[layer]![head]!).toBeGreaterThan(0.99)
    }
  })

  it('a uniform shift scores as copying until logits are centred', async () => {
    const [shifted, none] = neighbours('uniform-shift')
    const read = async (compiled: CompiledModel) => {
      const { layer, head } = headOf(compiled, 'maps a token')
      const { scores, centred } = await opened(compiled, (model) => eigenvalueCopying(model))
      return { raw: scores[layer]![head]!, centred: centred[layer]![head]! }
    }
    const [of, neighbour] = [await read(shifted!), await read(none!)]
    expect(of.raw).toBeGreaterThan(0.9)
    for (const score of [of.centred, neighbour.raw, neighbour.centred]) expect(Math.abs(score)).toBeLessThan(0.2)
  })

  it('a common direction scores as copying, centred or not, and raises the same tokens whatever it reads', async () => {
    const [common, copies] = neighbours('common-direction')
    for (const compiled of [common!, copies!]) {
      const { layer, head } = headOf(compiled, 'frequent')
      const { scores, centred } = await opened(compiled, (model) => eigenvalueCopying(model))
      expect(Math.min(scores[layer]![head]!, centred[layer]![head]!)).toBeGreaterThan(0.9)
    }
    expect([common!, copies!].map(({ truth }) => truth.facts.copied! > 0.5)).toEqual([false, true])
  })

  it('the logit lens loses the answer before the turn, though the function is the same', async () => {
    const readings = await Promise.all(
      neighbours('rotated-basis').map((compiled) =>
        opened(compiled, async (model) => {
          const { values, checks } = await logitLens(
            model,
            compiled.questions.map(({ ids }) => ids),
          )
          // It is sure of something else there: worse than a guess.
          expect(checks[1]!.verdict).toBe(compiled.mislead === 1 ? 'fails' : 'holds')
          return values.prompts.map(({ cells }) => cells[1]!.at(-1)!)
        }),
      ),
    )
    const [turned, twin] = readings.map((cells) => cells.reduce((sum, { kl }) => sum + kl, 0) / cells.length)
    expect(readings[1]!.every(({ rank }) => rank === 0)).toBe(true)
    expect(turned!).toBeGreaterThan(10 * twin! + 0.5)
  })

  it('head detectors find the previous-token and the induction head', async () => {
    const compiled = compileModel('induction', { seed })
    const { values } = await opened(compiled, (model) => headDetectors(model, [], { period: 8, repeats: 4 }))
    expect(values.ranking.previous[0]).toMatchObject(headOf(compiled, 'previous token'))
    expect(values.ranking.induction[0]).toMatchObject(headOf(compiled, 'induction'))
    expect(values.ranking.induction[0]!.score).toBeGreaterThan(0.8)
  })
})
