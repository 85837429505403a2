import { afterAll, describe, expect, it } from 'vitest'
import { createNodeBackend } from '../../engine/node/backend.ts'
import type { HeadDetectorValues, PatchValues } from '../../methods/index.ts'
import { compileModel } from '../../models/compiled/index.ts'
import { methodNames } from '../registry.ts'
import { compareClaims, type MethodClaims } from './claims.ts'
import { headClaims } from './head-claims.ts'
import { patchClaims } from './pair-claims.ts'
import { claimingMethods, claimsOf } from './table.ts'
import { testMethod } from './test-method.ts'
import { familyTable } from './test-tables.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

/** Says of every head that it matters, whatever the method found. */
const credulous: MethodClaims<PatchValues> = {
  ...patchClaims,
  runs: (compiled, asked) =>
    patchClaims
      .runs(compiled, asked)
      .slice(0, 1)
      .map((run) => ({
        ...run,
        read: ({ values }) =>
          values.flatMap((row, l) => (row as number[]).map((_, h) => ({ name: `L${l}H${h}`, share: null }))),
      })),
}

/** Says of every head that it does a job by its score alone. */
const credulousOfScores: MethodClaims<HeadDetectorValues> = {
  ...headClaims,
  runs: (compiled, asked) =>
    headClaims.runs(compiled, asked).map((run) => ({
      ...run,
      read: ({ ranking }) =>
        (['previous', 'induction'] as const).flatMap((job) =>
          ranking[job].flatMap(({ layer, head, score }) =>
            score >= 0.5 - 1e-6 ? [{ name: `${job} L${layer}H${head}`, share: null }] : [],
          ),
        ),
    })),
}

describe('claims and truth', () => {
  it('a claim of a wrong size is no true claim', () => {
    const truth = [
      { name: 'L0H0', share: 1 },
      { name: 'L0H1', share: null },
      { name: 'L1H0', share: 0.5 },
    ]
    const claims = [
      { name: 'L0H0', share: 0.6 },
      { name: 'L0H1', share: 3 },
      { name: 'L1H1', share: 0.2 },
    ]
    expect(compareClaims(claims, truth)).toEqual({
      ...{ claimed: 3, true: 3, right: 1 },
      wrong: ['L0H0 (0.60) for (1.00)', 'L1H1 (0.20)'],
      missed: ['L0H0 (1.00)', 'L1H0 (0.50)'],
    })
  })

  it.each(claimingMethods)('%s: every run that is asked for has a truth, and they name parts of the model', (name) => {
    for (const family of ['induction', 'xor-gate', 'common-direction']) {
      const compiled = compileModel(family, { seed: 1 })
      for (const run of claimsOf(name).runs(compiled, {})) {
        expect(run.prompts?.length ?? 0).toBeGreaterThanOrEqual(name === 'heads' || name === 'circuits' ? 0 : 1)
        for (const { name: what } of run.truth)
          expect(what).toMatch(/L\d+(H\d+|MLP| attn| mlp)|^after layer \d+$|^embed/)
      }
    }
    // No hypothesis comes with the induction model.
    const family = name === 'scrub' ? 'xor-gate' : 'induction'
    expect(claimsOf(name).runs(compileModel(family, { seed: 1 }), {})[0]!.truth.length).toBeGreaterThan(0)
  })

  it('methods without claims say so', () => {
    expect(methodNames).toEqual(expect.arrayContaining([...claimingMethods]))
    expect(() => claimsOf('attention')).toThrow(/makes no claim about which parts.*patch/)
    expect(() => claimsOf('pach')).toThrow(/did you mean patch/)
  })
})

describe('testMethod', () => {
  it('patching is right about a linear model and misled by an AND, which its check catches', async () => {
    const test = await testMethod('patch', {
      backend,
      families: ['constant-head', 'and-gate'],
      seeds: [1, 2, 3],
      misleads: [1],
    })
    const [constant, gate] = test.families
    expect(constant).toMatchObject({ family: 'constant-head', precision: 1, recall: 1, misled: 0, refused: 0 })
    expect(gate!.recall!).toBeLessThan(0.5)
    expect(gate!.misled).toBe(3)
    expect(gate!.firedWhenMisled).toBe(3)
    expect(test).toMatchObject({ method: 'patch', complete: true, total: { runs: 12 } })
    expect(familyTable(test).rows).toHaveLength(3)
    const check = test.checks.find(({ name }) => name === 'both directions agree')!
    expect(check).toMatchObject({ misled: 3, firedWhenMisled: 3 })
  })

  it('in the other direction an AND is no trouble, and shares are those of noising', async () => {
    const parameters = { direction: 'corrupted_into_clean' }
    const test = await testMethod('patch', { backend, families: ['and-gate'], seeds: [1], misleads: [1], parameters })
    expect(test.total).toMatchObject({ precision: 1, recall: 1, misled: 0 })
  })

  it('a method that claims too much has a low precision', async () => {
    const test = await testMethod('patch', {
      ...{ backend, families: ['constant-head'], seeds: [1, 2, 3], misleads: [1] },
      claims: credulous,
    })
    expect(test.total.precision!).toBeLessThan(0.5)
    expect(test.total).toMatchObject({ recall: 1, misled: 3, right: 0 })
  })

  it('heads that look at fixed places are found by their scores, and not beyond their nulls', async () => {
    const options = {
      backend,
      families: ['induction', 'composition-channel', 'linked-inputs'],
      seeds: [1],
      misleads: [1],
    }
    const own = await testMethod('heads', options)
    expect(own.total).toMatchObject({ precision: 1, recall: 1, misled: 0 })
    const byScore = await testMethod('heads', { ...options, claims: credulousOfScores })
    expect(byScore.total.precision!).toBeLessThan(0.7)
  })

  it('causal scrubbing finds what heads explain, by enumeration; what the data hide misleads it, and is caught', async () => {
    const test = await testMethod('scrub', {
      ...{ backend, families: ['xor-gate', 'correlated-inputs'], seeds: [1], misleads: [1] },
      parameters: { samples: 128 },
    })
    expect(test.families[0]).toMatchObject({ runs: 3, precision: 1, recall: 1, misled: 0 })
    expect(test.families[1]).toMatchObject({ runs: 2, misled: 1, firedWhenMisled: 1 })
  })

  it('says where a method refuses a model, and keeps what was done when it is cancelled', async () => {
    const refused = await testMethod('heads', { backend, families: ['constant-head'], seeds: [1], misleads: [1] })
    expect(refused.total).toMatchObject({ runs: 1, refused: 1, precision: null, misled: 0, right: 0 })
    expect(refused.runs[0]!.refused).toMatch(/room for 3 .n_ctx 4./)
    const controller = new AbortController()
    const cut = await testMethod('patch', {
      ...{ backend, families: ['constant-head'], seeds: [1, 2, 3], misleads: [1], signal: controller.signal },
      onProgress: ({ phase }) => phase === 'testing' && controller.abort(),
    })
    expect(cut.complete).toBe(false)
    expect(new Set(cut.runs.map(({ seed }) => seed))).toEqual(new Set([1]))
    const unknown = testMethod('patch', { backend, families: ['nor-gate'] })
    await expect(unknown).rejects.toThrow(/no family of compiled models called 'nor-gate'.*or-gate/)
  })
})
