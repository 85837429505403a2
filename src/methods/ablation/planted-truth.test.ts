import { afterAll, describe, expect, it } from 'vitest'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { type Model, openCompiled } from '../../lab/index.ts'
import {
  type CompiledModel,
  type CompiledQuestion,
  compileModel,
  type Interventions,
  type Part,
  partsOf,
  referenceRun,
  trueLogitDifference,
} from '../../models/compiled/index.ts'
import type { Check } from '../shared/checks.ts'
import { ablatePairs } from './ablate-pairs.ts'
import { ablation } from './ablation.ts'
import { selfRepair } from './self-repair.ts'

const backend = createNodeBackend({ threads: 1 })
afterAll(() => backend.dispose())

const SEEDS = [1, 2, 3]

async function opened<T>(compiled: CompiledModel, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openCompiled(compiled, backend)
  try {
    return await use(model)
  } finally {
    await model.dispose()
  }
}

const referenceOf = ({ questions }: CompiledModel) => questions.map(({ ids }) => ids)
const asked = ({ ids, answer, wrong }: CompiledQuestion) => ({ prompt: ids, answer, wrong })
/** A question with a token in it. */
const asking = ({ questions, tokens }: CompiledModel, token: string) =>
  questions.find(({ ids, answer }) => [...ids, answer].includes(tokens.indexOf(token)))!
const partOf = ({ truth }: CompiledModel, role: string) =>
  Object.entries(truth.roles).find(([, one]) => one === role)![0] as Part
const verdictOf = (checks: readonly Check[], name: RegExp) => checks.find((check) => name.test(check.name))!.verdict
const ofHead = (values: readonly unknown[], head: string): number => {
  const [, layer, index] = /^L(\d+)H(\d+)$/.exec(head)!
  return (values[Number(layer)] as number[])[Number(index)]!
}

/** The exact change of a question's logit difference with parts held at zero or at what they hold in another prompt. */
function trueChange(
  { circuit }: CompiledModel,
  question: CompiledQuestion,
  parts: readonly Part[],
  from?: readonly number[],
): number {
  const base = referenceRun(circuit, question.ids)
  const other = from ? referenceRun(circuit, from) : null
  const set: Interventions['set'] = new Map(
    parts.map((part) => {
      const own = base.held.get(part)!
      return [part, other ? other.held.get(part)! : { ...own, data: own.data.map(() => 0) }]
    }),
  )
  return (
    trueLogitDifference(referenceRun(circuit, question.ids, { set }), question) - trueLogitDifference(base, question)
  )
}

const FAMILIES = ['backup-head', 'constant-head', 'bimodal-gate', 'and-gate', 'or-gate', 'xor-gate', 'dominated-norm']

describe('ablation of compiled models', () => {
  it.each(FAMILIES.map((name, i) => [name, SEEDS[i % SEEDS.length]!] as const))(
    '%s, seed %i: zero and resample ablation of every head are the enumerated truth to 1e-3',
    async (name, seed) => {
      const compiled = compileModel(name, { seed })
      const question = compiled.questions[seed]!
      await opened(compiled, async (model) => {
        const reference = referenceOf(compiled)
        const heads = partsOf(compiled.circuit).filter((part) => part.includes('H'))
        const zero = await ablation(model, [asked(question)], { kind: 'zero', reference })
        const other = await ablation(model, [asked(question)], { kind: 'resample', reference, draws: 2, seed })
        const [{ resampledFrom }] = other.values.questions as [(typeof other.values.questions)[0]]
        expect(resampledFrom).toHaveLength(2)
        for (const head of heads) {
          expect(ofHead(zero.values.effect, head)).toBeCloseTo(trueChange(compiled, question, [head]), 3)
          const draws = resampledFrom!.map((from) => trueChange(compiled, question, [head], from))
          expect(ofHead(other.values.effect, head)).toBeCloseTo((draws[0]! + draws[1]!) / 2, 3)
          expect(ofHead(other.values.spread!, head)).toBeCloseTo(Math.abs(draws[0]! - draws[1]!) / Math.SQRT2, 3)
        }
      })
    },
  )

  it.each(SEEDS)('seed %i: zero misleads about a constant head, and the check on kinds says so', async (seed) => {
    for (const mislead of [1, 0]) {
      const compiled = compileModel('constant-head', { seed, mislead })
      const question = asking(compiled, 'Y')
      await opened(compiled, async (model) => {
        const run = (kind: 'zero' | 'mean' | 'resample') =>
          ablation(model, [asked(question)], { kind, reference: referenceOf(compiled), draws: 6 })
        const [zero, mean, resample] = [await run('zero'), await run('mean'), await run('resample')]
        const constant = partOf(compiled, 'constant')
        const [lost, ...none] = [zero, mean, resample].map(({ values }) => ofHead(values.effect, constant))
        expect(Math.max(...none.map(Math.abs))).toBeLessThan(0.02)
        expect(Math.abs(lost!) > 1).toBe(mislead === 1)
        expect(verdictOf(zero.checks, /zero and resample/)).toBe(mislead === 1 ? 'fails' : 'holds')
        expect(verdictOf(mean.checks, /mean and resample/)).toBe('holds')
        // Far off in either model: whether that matters, only the comparison says.
        expect(ofHead(zero.values.placement.distance, constant)).toBeGreaterThan(100)
      })
    }
  })

  it.each(SEEDS)(
    'seed %i: what zero takes from one answer it gives to another: checks ask about the mean',
    async (seed) => {
      const compiled = compileModel('constant-head', { seed, mislead: 0.4 })
      const constant = partOf(compiled, 'constant')
      await opened(compiled, async (model) => {
        const run = (questions: readonly CompiledQuestion[]) =>
          ablation(model, questions.map(asked), { kind: 'zero', reference: referenceOf(compiled) })
        const [one, all] = [await run([asking(compiled, 'Y')]), await run(compiled.questions)]
        const shares = [one, all].map(({ values }) => Math.abs(ofHead(values.effect, constant) / values.base))
        expect(shares[0]!).toBeGreaterThan(0.5)
        expect(shares[1]!).toBeLessThan(0.2)
        expect([one, all].map(({ checks }) => verdictOf(checks, /zero and resample/))).toEqual(['fails', 'holds'])
        const { effects, resampleError } = all.values.top.find(({ part }) => part === constant)!
        expect(effects.zero!).toBeCloseTo(ofHead(all.values.effect, constant), 5)
        expect([effects.resample!, resampleError!].every((x) => Math.abs(x) < 1e-4)).toBe(true)
      })
    },
  )

  it.each(SEEDS)(
    'seed %i: the mean closes a bimodal gate that no real value closes, and the checks say so',
    async (seed) => {
      for (const mislead of [1, 0]) {
        const compiled = compileModel('bimodal-gate', { seed, mislead })
        const question = asking(compiled, 'Y')
        await opened(compiled, async (model) => {
          const run = (kind: 'mean' | 'resample') =>
            ablation(model, [asked(question)], { kind, reference: referenceOf(compiled), draws: 6 })
          const [mean, resample] = [await run('mean'), await run('resample')]
          const gate = partOf(compiled, 'gate')
          const [closed, open] = [mean, resample].map(({ values }) => ofHead(values.effect, gate))
          expect(Math.abs(open!)).toBeLessThan(1e-3)
          expect(Math.abs(closed!) > 1).toBe(mislead === 1)
          expect(Math.abs(mean.values.top.find(({ part }) => part === gate)!.effects.position_mean!) > 1).toBe(
            mislead === 1,
          )
          expect(verdictOf(mean.checks, /mean and resample/)).toBe(mislead === 1 ? 'fails' : 'holds')
          // In the middle of what there is (no deviation away), and nowhere near any of it.
          expect(ofHead(mean.values.placement.distance, gate)).toBeLessThan(0.1)
          expect(ofHead(mean.values.placement.nearest, gate)).toBeGreaterThan(1.5)
          expect(ofHead(resample.values.placement.nearest, gate)).toBeLessThanOrEqual(1)
        })
      }
    },
  )
})

describe('self-repair of compiled models', () => {
  it.each(SEEDS)('seed %i: ablation sees the backup where the primary seems to do nothing', async (seed) => {
    for (const mislead of [1, 0]) {
      const compiled = compileModel('backup-head', { seed, mislead })
      await opened(compiled, async (model) => {
        const { checks, values } = await ablation(model, [asked(compiled.questions[0]!)], { kind: 'zero' })
        const primary = values.top.find(({ part }) => part === partOf(compiled, 'primary'))!
        expect(primary.direct).toBeCloseTo(-values.base, 3)
        expect(primary.effects.zero!).toBeCloseTo((mislead - 1) * values.base, 3)
        expect(verdictOf(checks, /make up for/)).toBe(mislead === 1 ? 'fails' : 'holds')
      })
    }
  })

  it.each(SEEDS)('seed %i: the backup head makes up for the primary, by the share planted', async (seed) => {
    for (const mislead of [1, 0.4, 0]) {
      const compiled = compileModel('backup-head', { seed, mislead })
      const questions = compiled.questions.slice(0, 3)
      await opened(compiled, async (model) => {
        const { values, checks } = await selfRepair(model, questions.map(asked), { kind: 'zero' })
        const [primary, backup] = [partOf(compiled, 'primary'), partOf(compiled, 'backup')]
        const i = values.parts.indexOf(primary)
        expect(values.direct[i]!).toBeCloseTo(-values.base, 3)
        expect(values.total[i]!).toBeCloseTo((mislead - 1) * values.base, 3)
        expect(values.repaired[i]!).toBeCloseTo(mislead, 4)
        expect(values.compensators[i]!.map(({ component }) => component)).toEqual(mislead > 0 ? [backup] : [])
        expect(verdictOf(checks, /predict total/)).toBe(mislead > 0.3 ? 'fails' : 'holds')
        for (const name of [/add up/, /run by itself/, /norm repairs little/])
          expect(verdictOf(checks, name)).toBe('holds')
      })
    }
  })

  it.each(SEEDS)('seed %i: what a giant does to the logits is all rescaling', async (seed) => {
    for (const mislead of [1, 0]) {
      const compiled = compileModel('dominated-norm', { seed, mislead })
      const question = asking(compiled, '#')
      await opened(compiled, async (model) => {
        const { values, checks } = await selfRepair(model, [asked(question)], { kind: 'zero' })
        const i = values.parts.indexOf(partOf(compiled, 'giant'))
        const gained = trueChange(compiled, question, [partOf(compiled, 'giant')])
        expect(values.total[i]!).toBeCloseTo(gained, 3)
        expect(values.norm[i]!).toBeCloseTo(gained, 3)
        expect(values.direct[i]!).toBeCloseTo(0, 3)
        expect(gained > 1).toBe(mislead === 1)
        expect(verdictOf(checks, /norm repairs little/)).toBe(mislead === 1 ? 'fails' : 'holds')
        expect(verdictOf(checks, /predict total/)).toBe(mislead === 1 ? 'fails' : 'holds')
      })
    }
  })
})

describe('what follows a loss need not be repair', () => {
  it.each(SEEDS)('seed %i: a layer that erased what a head wrote stops erasing it', async (seed) => {
    const compiled = compileModel('erasing-layer', { seed })
    await opened(compiled, async (model) => {
      const { values } = await selfRepair(model, [asked(compiled.questions[0]!)], { kind: 'zero', what: 'all' })
      const i = values.parts.indexOf(partOf(compiled, 'writer'))
      const eraser = values.components.indexOf('L1MLP')
      expect(values.parts).toContain('L1MLP')
      expect(values.repaired[i]!).toBeCloseTo(compiled.truth.facts.erased!, 3)
      expect(values.compensators[i]![0]!.component).toBe('L1MLP')
      // Its own contribution has the other sign than the answer: it undoes, and is no backup.
      expect(values.contributions[eraser]! * values.base).toBeLessThan(0)
    })
  })
})

describe('pairs of compiled models', () => {
  it.each(SEEDS)('seed %i: a backup and what it backs are found though neither does anything alone', async (seed) => {
    for (const mislead of [1, 0]) {
      const compiled = compileModel('backup-head', { seed, mislead })
      await opened(compiled, async (model) => {
        const questions = compiled.questions.slice(0, 2).map(asked)
        const { values, checks } = await ablatePairs(model, questions, { kind: 'zero', top: 3 })
        const pair = [partOf(compiled, 'primary'), partOf(compiled, 'backup')]
        expect(verdictOf(checks, /whole story/)).toBe(mislead === 1 ? 'fails' : 'holds')
        if (mislead === 0) return
        expect(values.parts.filter(({ part }) => pair.includes(part as Part)).map(({ because }) => because)).toEqual([
          'direct effect',
          'makes up for another',
        ])
        const [strongest] = values.strongest as [(typeof values.strongest)[0]]
        expect(strongest).toMatchObject({ parts: pair, relation: 'redundant' })
        for (const effect of strongest.alone) expect(effect).toBeCloseTo(0, 3)
        expect(strongest.joint).toBeCloseTo(-values.base, 3)
      })
    }
  })

  it.each([
    ['or-gate', 'redundant'],
    ['and-gate', 'in series'],
    ['xor-gate', 'in series'],
  ])(
    '%s: its two heads are %s, all effects are exact, and the sound neighbour has no interaction',
    async (name, relation) => {
      for (const [seed, mislead] of SEEDS.flatMap((seed) => [1, 0].map((mislead) => [seed, mislead] as const))) {
        const compiled = compileModel(name, { seed, mislead })
        const [a, b] = [partOf(compiled, 'reads a'), partOf(compiled, 'reads b')]
        // Both bits 1: neither head of an OR is needed, both of an AND are.
        const question = compiled.questions.find(({ ids }) => {
          const held = referenceRun(compiled.circuit, ids).held
          return [a, b].every((part) =>
            held
              .get(part)!
              .data.slice(-compiled.circuit.headSize)
              .some((x) => x > 0.5),
          )
        })!
        await opened(compiled, async (model) => {
          const { values, checks } = await ablatePairs(model, [asked(question)], { kind: 'zero' })
          const names = values.parts.map(({ part }) => part as Part)
          for (const [i, first] of names.entries())
            for (const [j, second] of names.entries()) {
              const parts = i === j ? [first] : [first, second]
              expect((values.joint[i] as number[])[j]!).toBeCloseTo(trueChange(compiled, question, parts), 3)
            }
          expect(verdictOf(checks, /whole story/)).toBe(mislead === 1 ? 'fails' : 'holds')
          if (mislead === 1) {
            expect(new Set(values.strongest[0]!.parts)).toEqual(new Set([a, b]))
            expect(values.strongest[0]!.relation).toBe(relation)
          } else for (const { interaction } of values.strongest) expect(interaction).toBeCloseTo(0, 3)
        })
      }
    },
  )
})
