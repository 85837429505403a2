import { afterAll, describe, expect, it } from 'vitest'
import { openToy, toyForms } from '../../../test/support/toy-model.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { logitDifference, type Model, ofPrompt } from '../../lab/index.ts'
import { openCompiled } from '../../lab/open-compiled.ts'
import { type CompiledModel, compileModel } from '../../models/compiled/index.ts'
import { randomSource } from '../../random/index.ts'
import type { Check } from '../shared/checks.ts'
import { readPart } from './read-part.ts'
import { dot, inside, norm, orthonormal, outside } from './subspace.ts'
import { subspacePatching } from './subspace-patching.ts'
import { SUBSPACE_WHATS } from './subspace-site.ts'

const PAIR = { clean: [1, 4, 2, 5, 3], corrupt: [1, 6, 2, 5, 3], answer: 0, wrong: 2 }
const SEEDS = [0, 1, 2]
const [READ, WHOLE] = ['what is read of the subspace does it alone', 'the whole activation does it too']

const verdictOf = (checks: readonly Check[], name: string) => checks.find((check) => check.name === name)?.verdict

describe('subspaces', () => {
  const random = randomSource(4, 'vectors')
  const vector = (size: number) => Float64Array.from({ length: size }, () => random.normal())

  it('an orthonormal basis of what the vectors span, without those that add nothing', () => {
    const [a, b] = [vector(7), vector(7)]
    const sum = a.map((x, i) => 2 * x - b[i]!)
    const basis = orthonormal([a, b, sum, new Float64Array(7)])
    expect(basis).toHaveLength(2)
    basis.forEach((u, i) => {
      basis.forEach((w, j) => {
        expect(dot(u, w)).toBeCloseTo(Number(i === j), 12)
      })
    })
    const x = vector(7)
    const [part, rest] = [inside(basis, x), outside(basis, x)]
    part.forEach((y, i) => {
      expect(y + rest[i]!).toBeCloseTo(x[i]!, 12)
    })
    for (const direction of basis) expect(dot(direction, rest)).toBeCloseTo(0, 12)
    expect(norm(outside(basis, sum))).toBeCloseTo(0, 10)
  })

  it('what a reader sees of a direction: the rest it takes to 0', () => {
    // three outputs of which one repeats another: rank 2 of 9
    const [u, w] = [vector(9), vector(9)]
    const data = Float64Array.from({ length: 27 }, (_, i) => [u, w, u][i % 3]![Math.floor(i / 3)]!)
    const direction = vector(9)
    const unit = direction.map((x) => x / norm(direction))
    const { basis, share } = readPart({ inputs: 9, outputs: 3, data }, [unit])
    const seen = inside(orthonormal([u, w]), unit)
    expect(share).toBeCloseTo(dot(seen, seen), 9)
    basis[0]!.forEach((x, i) => {
      expect(x).toBeCloseTo(seen[i]! / norm(seen), 7)
    })
    // of a direction that nothing reads nothing is left, and of one that is read nothing is lost
    const blind = outside(orthonormal([u, w]), unit)
    expect(readPart({ inputs: 9, outputs: 3, data }, orthonormal([blind])).basis).toHaveLength(0)
    expect(readPart({ inputs: 9, outputs: 3, data }, orthonormal([u])).share).toBeCloseTo(1, 9)
  })
})

describe('subspace patching', () => {
  const backend = createNodeBackend({ threads: 1 })
  const opened: Model[] = []
  afterAll(async () => {
    for (const model of opened) await model.dispose()
    await backend.dispose()
  })
  const open = async (compiled: CompiledModel) => {
    const model = await openCompiled(compiled, backend)
    opened.push(model)
    return model
  }
  const pairsOf = ({ pairs }: CompiledModel) =>
    pairs.slice(0, 6).map(({ clean, corrupt, answer, wrong }) => ({ clean, corrupt, answer, wrong }))

  it('every activation as separate runs with the exchanged one, in both directions', async () => {
    const model = await openToy(toyForms['one after the other']!)
    opened.push(model)
    const metric = logitDifference(PAIR.answer, PAIR.wrong)
    const [clean, corrupt] = (await model.run([PAIR.clean, PAIR.corrupt], { metric })).metric as [number, number]
    for (const what of SUBSPACE_WHATS) {
      const { values } = await subspacePatching(model, [PAIR], { what, layers: [1], positions: [1, -1] })
      const site = values.sites.at(-1)!
      const { captures } = await model.run([PAIR.clean, PAIR.corrupt], { capture: site.hook })
      const [basis] = site.basis
      for (const [target, source, base, from, shares] of [
        [PAIR.corrupt, 0, corrupt, clean, site.restored],
        [PAIR.clean, 1, clean, corrupt, site.lost],
      ] as const) {
        const [into, given] = [ofPrompt(captures[site.hook]!, 1 - source), ofPrompt(captures[site.hook]!, source)]
        const size = basis!.length
        const value = Float32Array.from(into.data as Float32Array)
        const perPosition = value.length / 5
        for (const position of [1, 4]) {
          const offset = position * perPosition + (site.head ?? 0) * size
          const difference = basis!.map((_, i) => Number(given.data[offset + i]) - Number(into.data[offset + i]))
          const along = dot(basis!, difference)
          basis!.forEach((x, i) => {
            value[offset + i] = value[offset + i]! + along * x
          })
        }
        const edits = [{ hook: site.hook, kind: 'replace', value: { shape: into.shape, data: value } }] as const
        const run = await model.run([target], { metric, edits })
        expect(shares.subspace, what).toBeCloseTo((run.metric![0]! - base) / (from - base), 3)
        // everything, and nothing
        const whole = await model.run([target], {
          metric,
          edits: [
            {
              ...{ hook: site.hook, kind: 'replace', value: given, positions: [1, 4] },
              ...(site.head === null ? {} : { heads: [site.head] }),
            },
          ],
        })
        expect(shares.whole, what).toBeCloseTo((whole.metric![0]! - base) / (from - base), 3)
      }
    }
  })

  it.each(SEEDS)(
    'the illusion, seed %i: a direction flips the answer that its layer has nothing to do with',
    async (seed) => {
      const compiled = compileModel('subspace-illusion', { seed })
      const model = await open(compiled)
      const along = async (name: string) => {
        const { vector } = compiled.truth.directions.find((direction) => direction.name === name)!
        return subspacePatching(model, pairsOf(compiled), { what: 'neurons', directions: [vector] })
      }
      const { values, checks } = await along('illusory')
      const [site] = values.sites
      expect(site!.restored.subspace).toBeCloseTo(1, 4)
      expect(site!.restored.whole).toBeCloseTo(0, 4)
      expect(site!.restored.read).toBeCloseTo(0, 4)
      expect(site!.lost.subspace).toBeCloseTo(1, 4)
      expect([READ, WHOLE].map((name) => verdictOf(checks, name!))).toEqual(['fails', 'fails'])
      for (const name of ['disconnected', 'dormant']) {
        const alone = await along(name)
        expect(alone.values.sites[0]!.restored.subspace, name).toBeCloseTo(0, 4)
        expect(verdictOf(alone.checks, READ!)).toBe('not tested')
      }
    },
  )

  it.each(SEEDS)('a search finds the illusion where there is one, seed %i, and the checks say so', async (seed) => {
    const search = async (mislead: number) => {
      const compiled = compileModel('subspace-illusion', { seed, mislead })
      return subspacePatching(await open(compiled), pairsOf(compiled), { what: 'neurons', subspace: 'search' })
    }
    const found = await search(1)
    expect(found.values.sites[0]!.restored.subspace).toBeGreaterThan(0.95)
    expect([READ, WHOLE].map((name) => verdictOf(found.checks, name!))).toEqual(['fails', 'fails'])
    // the dormant neurons' weight sets how far the answer can be moved
    expect((await search(0.5)).values.sites[0]!.restored.subspace).toBeCloseTo(0.5, 1)
    const none = await search(0)
    expect(none.values.sites[0]!.restored.subspace).toBeCloseTo(0, 3)
    expect([READ, WHOLE].map((name) => verdictOf(none.checks, name!))).toEqual(['not tested', 'not tested'])
  })

  it.each(SEEDS)('neurons that are used, seed %i: the same search is right, and the checks hold', async (seed) => {
    const compiled = compileModel('and-gate', { seed })
    const { values, checks } = await subspacePatching(await open(compiled), pairsOf(compiled), {
      what: 'neurons',
      subspace: 'search',
    })
    expect(values.sites[0]!.restored.whole).toBeCloseTo(1, 3)
    expect(values.sites[0]!.restored.subspace).toBeGreaterThan(0.95)
    expect(values.sites[0]!.search!.heldOut).toBeGreaterThan(0.9)
    expect([READ, WHOLE].map((name) => verdictOf(checks, name!))).toEqual(['holds', 'holds'])
  })

  it('a subspace of all directions is the whole, and beside it there is nothing', async () => {
    const model = await openToy(toyForms['one after the other']!)
    opened.push(model)
    const size = model.config.d_head
    const axes = Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => Number(i === j)))
    const at = { what: 'z', layers: [1], heads: [0] } as const
    for (const asked of [{ directions: axes }, { subspace: 'search', dimensions: size }] as const) {
      const { values } = await subspacePatching(model, [PAIR], { ...at, ...asked })
      const { restored, lost, basis, share } = values.sites[0]!
      expect(basis).toHaveLength(size)
      expect(share).toBeCloseTo(1, 6)
      for (const shares of [restored, lost]) {
        expect(Math.abs(shares.whole!)).toBeGreaterThan(1e-3)
        expect(shares.subspace).toBeCloseTo(shares.whole!, 4)
        expect(shares.rest).toBeCloseTo(0, 4)
      }
    }
  })

  it('searched directions are at right angles, and restore more than the mean difference that they begin with', async () => {
    const compiled = compileModel('and-gate', { seed: 1 })
    const model = await open(compiled)
    const patch = async (options: object) =>
      (await subspacePatching(model, pairsOf(compiled), { what: 'resid_post', ...options })).values.sites[0]!
    const [begun, one, two] = [
      await patch({ subspace: 'difference' }),
      await patch({ subspace: 'search' }),
      await patch({ subspace: 'search', dimensions: 2 }),
    ]
    expect(begun.restored.subspace).toBeLessThan(0.95)
    for (const { restored } of [one, two]) expect(restored.subspace).toBeCloseTo(1, 1)
    expect(dot(two.basis[0]!, two.basis[1]!)).toBeCloseTo(0, 9)
  })

  it('cancelled, it keeps the sites that are done', async () => {
    const model = await openToy(toyForms['one after the other']!)
    opened.push(model)
    const controller = new AbortController()
    const onPartial = () => controller.abort()
    const { values, complete } = await subspacePatching(model, [PAIR], {
      ...{ what: 'resid_post', signal: controller.signal, onPartial },
    })
    expect(complete).toBe(false)
    expect(values.sites.map(({ label }) => label)).toEqual(['resid_post 0'])
  })

  it('prompts that do not differ have no shares', async () => {
    const model = await openToy(toyForms['one after the other']!)
    opened.push(model)
    const same = { ...PAIR, corrupt: PAIR.clean }
    const { values, checks } = await subspacePatching(model, [same], { what: 'resid_post', subspace: 'search' })
    expect(values.sites[0]!.restored).toEqual({ subspace: null, rest: null, whole: null, read: null })
    expect(JSON.parse(JSON.stringify(values))).toEqual(values)
    expect(verdictOf(checks, 'the corruption lowers the metric')).toBe('fails')
    expect(verdictOf(checks, WHOLE!)).toBe('not tested')
  })

  it('says what does not fit', async () => {
    const model = await openToy(toyForms['one after the other']!)
    opened.push(model)
    const size = model.config.d_model
    const patch = (options: Parameters<typeof subspacePatching>[2]) => subspacePatching(model, [PAIR], options)
    await expect(patch({ what: 'resid_post', dimensions: 2 })).rejects.toThrow("subspace 'search'")
    await expect(patch({ what: 'resid_post', directions: [[1]] })).rejects.toThrow('name the one layer')
    await expect(patch({ what: 'resid_post', layers: [0], directions: [[1]] })).rejects.toThrow(
      `A direction has 1 numbers; resid_post 0 has ${size} features.`,
    )
    const zero = new Array<number>(size).fill(0)
    await expect(patch({ what: 'resid_post', layers: [0], directions: [zero] })).rejects.toThrow('all zero')
    await expect(
      patch({ what: 'resid_post', layers: [0], directions: [zero], subspace: 'difference' }),
    ).rejects.toThrow("by 'difference'; leave one out")
    await expect(patch({ what: 'resid_post', heads: [0] })).rejects.toThrow("'resid_post' has none")
    await expect(patch({ what: 'neurons', subspace: 'search', dimensions: 10_000 })).rejects.toThrow(
      'whole number from 1',
    )
  })
})
