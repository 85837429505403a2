import { describe, expect, it } from 'vitest'
import {
  type CompiledModel,
  compileModel,
  interchangeExplains,
  positionsRead,
  referenceRun,
  resampledEffects,
  trueLogitDifference,
} from './index.ts'

const SEEDS = [1, 2, 3]

const partOf = ({ truth }: CompiledModel, role: string) =>
  Object.entries(truth.roles).find(([, one]) => one === role)![0] as CompiledModel['truth']['matters'][number]

/** The exact effects of a head on every question, resampled from the questions themselves, and the whole differences. */
function resampled(name: string, role: string, seed: number, mislead: number) {
  const model = compileModel(name, { seed, mislead })
  const inputs = model.questions.map(({ ids }) => ids)
  const { total, direct } = resampledEffects(model, model.questions, inputs).find(
    ({ part }) => part === partOf(model, role),
  )!
  const whole = model.questions.map((one) => trueLogitDifference(referenceRun(model.circuit, one.ids), one))
  return { total, direct, whole }
}

const meanOf = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length

describe.each(SEEDS)('seed %i, exact exchanges:', (seed) => {
  it('what holds one value, or two that do the same, is worth nothing; what it is read for is all', () => {
    for (const mislead of [0, 0.5, 1]) {
      for (const [family, role] of [
        ['constant-head', 'constant'],
        ['bimodal-gate', 'gate'],
      ] as const) {
        const { total, direct } = resampled(family, role, seed, mislead)
        for (const change of [...total, ...direct]) expect(change).toBeCloseTo(0, 9)
      }
      // Half of the inputs say the opposite.
      const { total, whole } = resampled('constant-head', 'reader', seed, mislead)
      total.forEach((change, i) => {
        expect(change).toBeCloseTo(-whole[i]!, 9)
      })
    }
  })

  it('a head that another one backs up is worth its direct effect', () => {
    for (const mislead of [0, 0.6, 1]) {
      const { total, direct, whole } = resampled('backup-head', 'primary', seed, mislead)
      expect(meanOf(direct) / meanOf(whole)).toBeCloseTo(-1, 6)
      const restored = 1 + meanOf(total) / meanOf(whole)
      // Where the other input holds the same token, nothing is lost and nothing restored.
      const tokens = new Set(compileModel('backup-head', { seed }).questions.map(({ answer }) => answer)).size
      expect(restored).toBeCloseTo((mislead * (tokens - 1)) / tokens, 6)
    }
  })

  it('true hypotheses explain everything, wrong ones what they leave by chance, however much the data hide', () => {
    const explained = (name: string, mislead: number) => {
      const model = compileModel(name, { seed, mislead })
      const inputs = model.inputs(64)
      return model.truth.hypotheses.map(({ dependsOn, tokens }) =>
        interchangeExplains(
          model,
          dependsOn,
          tokens ?? [...new Set(dependsOn.flatMap((part) => positionsRead(model, part, inputs)))],
          inputs,
        ),
      )
    }
    for (const mislead of [0, 1]) {
      const [alone, both] = explained('correlated-inputs', mislead)
      expect([alone!, both!].map((share) => Math.round(1e6 * share) / 1e6 + 0)).toEqual([0, 1])
      const [linked, right] = explained('linked-inputs', mislead)
      expect(linked!).toBeCloseTo(1 / 3, 1)
      expect(right!).toBeCloseTo(1, 6)
    }
    const [cancelling, counted] = explained('miscount', 1)
    expect(cancelling!).toBeLessThan(0.5)
    expect(counted!).toBeCloseTo(1, 6)
    expect(explained('miscount', 0)[0]!).toBeCloseTo(1, 6)
  })

  it('finds the tokens that parts read', () => {
    const model = compileModel('correlated-inputs', { seed })
    const inputs = model.inputs(64)
    for (const bit of ['a', 'b']) {
      const { clean, corrupt } = model.pairs.find(({ changes }) => changes === `bit ${bit}`)!
      const place = clean.findIndex((id, p) => id !== corrupt[p])
      expect(positionsRead(model, partOf(model, `reads ${bit}`), inputs)).toEqual([place])
    }
    expect(positionsRead(model, 'L0MLP', inputs)).toHaveLength(2)
  })
})
