import { afterAll, describe, expect, it } from 'vitest'
import { createNodeBackend } from '../engine/node/backend.ts'
import {
  type CompiledModel,
  type CompiledPair,
  compiledFamilies,
  compileModel,
  type Edge,
  edgeName,
  partPlace,
  referenceRun,
  trueEdges,
  trueEffects,
} from '../models/compiled/index.ts'
import { ofPrompt } from './arrays.ts'
import type { Edit } from './edits.ts'
import { logitDifference } from './metrics.ts'
import type { Model } from './model.ts'
import { openCompiled } from './open-compiled.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

const names = compiledFamilies.map(({ name }) => name)

async function opened<T>(compiled: CompiledModel, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openCompiled(compiled, backend)
  try {
    return await use(model)
  } finally {
    await model.dispose()
  }
}

describe.each(names)('compiled %s', (name) => {
  it.each([
    [1, 1],
    [2, 0],
  ])('seed %i, mislead %i: answers every input (or 700) as it was built to', async (seed, mislead) => {
    const compiled = compileModel(name, { seed, mislead })
    const inputs = compiled.inputs(700)
    const logits = await opened(compiled, async (model) => (await model.run(inputs, { positions: 'last' })).logits!)
    const size = compiled.tokens.length
    let worst = 0
    const wrong: string[] = []
    inputs.forEach((ids, i) => {
      const own = Array.from(logits.data.subarray(i * size, (i + 1) * size) as Float32Array)
      const expected = referenceRun(compiled.circuit, ids).logits
      for (const [token, value] of own.entries()) worst = Math.max(worst, Math.abs(value - expected[token]!))
      const answer = compiled.answer(ids)
      if (answer !== null && own.indexOf(Math.max(...own)) !== answer) wrong.push(ids.join(' '))
    })
    expect(wrong).toEqual([])
    expect(worst).toBeLessThan(1e-4)
  })

  it('every part, patched or ablated, does what the truth says', async () => {
    const compiled = compileModel(name, { seed: 3 })
    const effects = trueEffects(compiled)
    await opened(compiled, async (model) => {
      const prompts = compiled.questions.map(({ ids }) => ids)
      for (const [p, pair] of pairsByChange(compiled)) {
        const metric = logitDifference(pair.answer, pair.wrong)
        const patches = (from: readonly number[]) =>
          effects.map(({ part }): Edit[] => [{ ...partPlace(part), kind: 'resample', from }])
        const clean = await model.variants(pair.clean, patches(pair.corrupt), metric)
        const corrupt = await model.variants(pair.corrupt, patches(pair.clean), metric)
        const difference = clean.base - corrupt.base
        effects.forEach(({ noising, denoising }, i) => {
          expect((clean.base - clean.values[i]!) / difference).toBeCloseTo(noising[p]!, 4)
          expect((corrupt.values[i]! - corrupt.base) / difference).toBeCloseTo(denoising[p]!, 4)
        })
      }
      const { ids, answer, wrong } = compiled.questions[0]!
      const ablations = effects.flatMap(({ part }): Edit[][] => [
        [{ ...partPlace(part), kind: 'zero' }],
        [{ ...partPlace(part), kind: 'mean', prompts, per: 'position' }],
      ])
      const { base, values } = await model.variants(ids, ablations, logitDifference(answer, wrong))
      effects.forEach(({ zero, mean }, i) => {
        expect(values[2 * i]! - base).toBeCloseTo(zero[0]!, 3)
        expect(values[2 * i + 1]! - base).toBeCloseTo(mean[0]!, 3)
      })
    })
  })

  it('what passes along edges is what the truth says', async () => {
    const compiled = compileModel(name, { seed: 4 })
    const effects = trueEdges(compiled)
    const stated = new Set(compiled.truth.edges.map(edgeName))
    // Those of the truth, and some others.
    const chosen = effects.filter(
      ({ edge }, i) => stated.has(edgeName(edge)) || i % Math.ceil(effects.length / 6) === 0,
    )
    await opened(compiled, async (model) => {
      for (const [p, pair] of pairsByChange(compiled)) {
        const metric = logitDifference(pair.answer, pair.wrong)
        const base = async (ids: readonly number[]) => (await model.run([ids], { metric })).metric![0]!
        const [clean, corrupt] = [await base(pair.clean), await base(pair.corrupt)]
        for (const { edge, noising } of chosen) {
          const patched = await patchEdge(model, edge, pair, metric)
          expect((clean - patched) / (clean - corrupt), edgeName(edge)).toBeCloseTo(noising[p]!, 3)
        }
      }
    })
  })
})

it('a turned residual stream gives the logits of its twin to 1e-5', async () => {
  const [twin, turned] = await Promise.all(
    [0, 1].map((mislead) => {
      const compiled = compileModel('rotated-basis', { seed: 9, mislead })
      return opened(compiled, async (model) => (await model.run(compiled.inputs(200))).logits!.data as Float32Array)
    }),
  )
  expect(Math.max(...twin!.map((value, i) => Math.abs(value - turned![i]!)))).toBeLessThan(1e-5)
})

/** One pair of every kind, with its number. */
function pairsByChange({ pairs }: CompiledModel): [number, CompiledPair][] {
  const first = new Map<string, [number, CompiledPair]>()
  pairs.forEach((pair, i) => {
    if (!first.has(pair.changes)) first.set(pair.changes, [i, pair])
  })
  return [...first.values()]
}

/**
 * The metric of the clean run when one receiver sees a sender of the corrupted run: everything between is frozen in a first run,
 * whose query, key, value or neurons' input the second run is given.
 */
async function patchEdge(
  model: Model,
  { from, to, via }: Edge,
  { clean, corrupt }: CompiledPair,
  metric: ReturnType<typeof logitDifference>,
): Promise<number> {
  const frozen = model.config.attn_only ? ['blocks.*.attn.hook_z'] : ['blocks.*.attn.hook_z', 'blocks.*.hook_mlp_out']
  const sender = from === 'embed' ? { hook: 'hook_embed' } : partPlace(from)
  const edits: Edit[] = [
    ...frozen.map((hook): Edit => ({ hook, kind: 'freeze' })),
    { ...sender, kind: 'resample', from: corrupt },
  ]
  if (to === 'logits') return (await model.run([clean], { edits, metric })).metric![0]!
  const { hook, heads } = partPlace(to)
  const seen = heads ? hook.replace('hook_z', `hook_${via}`) : hook.replace('hook_mlp_out', 'mlp.hook_pre')
  const { captures } = await model.run([clean], { edits, capture: seen, positions: 'none' })
  const given: Edit = { hook: seen, ...(heads ? { heads } : {}), kind: 'replace', value: ofPrompt(captures[seen]!, 0) }
  return (await model.run([clean], { edits: [given], metric })).metric![0]!
}
