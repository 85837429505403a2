import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../hub/checkpoint.ts'
import { loadTokenizer } from '../../tokenizer/tokenizer.ts'
import { describeModel } from '../describe.ts'
import {
  type CompiledModel,
  type CompiledQuestion,
  changesAnswer,
  compiledFamilies,
  compiledSource,
  compileModel,
  edgeName,
  edgesThatMatter,
  type Interventions,
  type Part,
  type PartEffect,
  referenceRun,
  trueEdges,
  trueEffects,
  trueLogitDifference,
} from './index.ts'

const names = compiledFamilies.map(({ name }) => name)
const SEEDS = [1, 2, 3]

/** The part with a role. */
function partOf({ truth }: CompiledModel, role: string): Part {
  const found = Object.entries(truth.roles).find(([, one]) => one === role)
  if (!found) throw new Error(`no part has the role ${role}`)
  return found[0] as Part
}

const effectOf = (model: CompiledModel, role: string): PartEffect =>
  trueEffects(model).find(({ part }) => part === partOf(model, role))!

/** The logit difference of a question after interventions. */
function difference({ circuit }: CompiledModel, question: CompiledQuestion, interventions?: Interventions): number {
  return trueLogitDifference(referenceRun(circuit, question.ids, interventions), question)
}

/** Interventions that hold parts at 0. */
function zeroed({ circuit }: CompiledModel, ids: readonly number[], parts: readonly Part[]): Interventions {
  const { held } = referenceRun(circuit, ids)
  return {
    set: new Map(
      parts.map((part) => {
        const value = held.get(part)!
        return [part, { ...value, data: new Float64Array(value.data.length) }] as const
      }),
    ),
  }
}

describe.each(names)('%s', (name) => {
  it.each([
    [1, 1],
    [2, 0.5],
    [3, 0],
  ])('seed %i, mislead %f: what matters and which edges carry it is what enumeration finds', (seed, mislead) => {
    const model = compileModel(name, { seed, mislead })
    const found = trueEffects(model).filter(changesAnswer)
    expect(found.map(({ part }) => part).sort()).toEqual([...model.truth.matters].sort())
    expect(edgesThatMatter(trueEdges(model)).sort()).toEqual(model.truth.edges.map(edgeName).sort())
    expect(model.pairs.length).toBeGreaterThan(0)
  })

  it('takes over where the truth says so: dormant edges carry the answer once the part is gone', () => {
    const model = compileModel(name, { seed: 2 })
    for (const { lost, edges } of model.truth.compensation) {
      const found = edgesThatMatter(trueEdges(model, { without: [lost] }))
      for (const edge of edges) {
        expect(model.truth.edges.map(edgeName)).not.toContain(edgeName(edge))
        expect(found).toContain(edgeName(edge))
      }
    }
  })

  it('is the same for the same seed, and another instance for another', () => {
    const [first, again, other] = [5, 5, 6].map((seed) => compileModel(name, { seed })) as [
      CompiledModel,
      CompiledModel,
      CompiledModel,
    ]
    expect(again.weights).toEqual(first.weights)
    expect(again.truth).toEqual(first.truth)
    expect(other.weights).not.toEqual(first.weights)
  })

  it('has matched neighbours: places, sizes and tokens do not depend on how much misleads', () => {
    const [sound, broken] = [0, 1].map((mislead) => compileModel(name, { seed: 7, mislead })) as [
      CompiledModel,
      CompiledModel,
    ]
    expect(sound.config).toEqual(broken.config)
    expect(sound.tokens).toEqual(broken.tokens)
    expect(sound.truth.roles).toEqual(broken.truth.roles)
  })

  it('is a checkpoint: config and weights fit, and its text is tokenized', async () => {
    const model = compileModel(name, { seed: 8 })
    const source = compiledSource(model)
    const checkpoint = await openCheckpoint(source)
    expect(describeModel(checkpoint.config, checkpoint.entries).config.d_model).toBe(model.config.d_model)
    const { ids } = model.questions[0]!
    const tokenizer = await loadTokenizer(source)
    expect(tokenizer.encode(ids.map((id) => model.tokens[id]).join('')).ids).toEqual(ids)
    expect(tokenizer.bosId).toBe(ids[0])
    expect(JSON.parse(JSON.stringify(model.truth))).toEqual(model.truth)
  })
})

describe('families', () => {
  it.each(SEEDS)('seed %i: AND needs both, OR needs neither; without the gate each is half', (seed) => {
    for (const role of ['reads a', 'reads b']) {
      const [and, or] = ['and-gate', 'or-gate'].map((name) => effectOf(compileModel(name, { seed }), role))
      expect([...and!.noising, ...or!.denoising].every((share) => Math.abs(share - 1) < 1e-9)).toBe(true)
      expect([...and!.denoising, ...or!.noising].every((share) => Math.abs(share) < 1e-9)).toBe(true)
      for (const name of ['and-gate', 'or-gate']) {
        const { noising, denoising } = effectOf(compileModel(name, { seed, mislead: 0 }), role)
        expect([...noising, ...denoising].every((share) => Math.abs(share - 0.5) < 1e-9)).toBe(true)
      }
    }
  })

  it.each(SEEDS)('seed %i: an XOR says nothing with one input at its mean', (seed) => {
    const model = compileModel('xor-gate', { seed })
    const { mean } = effectOf(model, 'reads a')
    model.questions.forEach((question, i) => {
      expect(difference(model, question) + mean[i]!).toBeCloseTo(0, 9)
    })
  })

  it.each(SEEDS)(
    'seed %i: the backup head makes up for the primary under every ablation, and for nothing without it',
    (seed) => {
      for (const mislead of [0, 0.4, 1]) {
        const model = compileModel('backup-head', { seed, mislead })
        const { zero, mean } = effectOf(model, 'primary')
        const [primary, backup] = ['primary', 'backup'].map((role) => partOf(model, role)) as [Part, Part]
        model.questions.forEach((question, i) => {
          const whole = difference(model, question)
          expect(zero[i]!).toBeCloseTo((mislead - 1) * whole, 6)
          expect(mean[i]!).toBeGreaterThanOrEqual((mislead - 1) * whole - 1e-6)
          expect(difference(model, question, zeroed(model, question.ids, [backup]))).toBeCloseTo(whole, 6)
          expect(difference(model, question, zeroed(model, question.ids, [primary, backup]))).toBeCloseTo(0, 6)
        })
      }
    },
  )

  it.each(SEEDS)('seed %i: the constant head breaks the model at zero, and carries nothing', (seed) => {
    const model = compileModel('constant-head', { seed })
    const { zero, mean, noising } = effectOf(model, 'constant')
    expect([...mean, ...noising].every((change) => Math.abs(change) < 1e-9)).toBe(true)
    const yes = model.tokens.indexOf('Y')
    const lost = model.questions.flatMap(({ answer }, i) => (answer === yes ? [zero[i]!] : []))
    // at least a nat, and the wrong answer
    model.questions
      .filter(({ answer }) => answer === yes)
      .forEach((question, i) => {
        expect(lost[i]!).toBeLessThan(-1)
        expect(difference(model, question) + lost[i]!).toBeLessThan(0)
      })
    const sound = effectOf(compileModel('constant-head', { seed, mislead: 0 }), 'constant')
    expect(sound.zero.every((change) => Math.abs(change) < 1e-9)).toBe(true)
  })

  it.each(SEEDS)('seed %i: the gate is open at both of its settings and closed between them', (seed) => {
    const model = compileModel('bimodal-gate', { seed })
    const { zero, mean, noising, denoising } = effectOf(model, 'gate')
    const gate = partOf(model, 'gate')
    expect([...noising, ...denoising].every((share) => Math.abs(share) < 1e-9)).toBe(true)
    const yes = model.tokens.indexOf('Y')
    model.questions.forEach((question, i) => {
      // What it holds on any other input changes nothing.
      const others = model.questions.map(({ ids }) => referenceRun(model.circuit, ids).held.get(gate)!)
      for (const other of others) {
        const run = referenceRun(model.circuit, question.ids, { set: new Map([[gate, other]]) })
        expect(trueLogitDifference(run, question)).toBeCloseTo(difference(model, question), 9)
      }
      // Its mean and zero make the bit -1.
      const closed = question.answer === yes ? -2 * difference(model, question) : 0
      expect(mean[i]!).toBeCloseTo(closed, 9)
      expect(zero[i]!).toBeCloseTo(closed, 9)
    })
    const sound = effectOf(compileModel('bimodal-gate', { seed, mislead: 0 }), 'gate')
    expect([...sound.zero, ...sound.mean].every((change) => Math.abs(change) < 1e-9)).toBe(true)
  })

  it.each(SEEDS)('seed %i: of what the writer writes, the share `erased` is taken away', (seed) => {
    for (const mislead of [0, 1]) {
      const model = compileModel('erasing-layer', { seed, mislead })
      const { erased } = model.truth.facts
      const { zero } = effectOf(model, 'writer')
      model.questions.forEach((question, i) => {
        const direct =
          difference(model, question, zeroed(model, question.ids, ['L1MLP'])) -
          difference(model, question, zeroed(model, question.ids, ['L1MLP', partOf(model, 'writer')]))
        expect(zero[i]!).toBeCloseTo(-(1 - erased!) * direct, 6)
      })
      expect(erased!).toBeGreaterThanOrEqual(0.6 * mislead)
    }
  })

  it.each(SEEDS)('seed %i: the turned stream has the function of its twin', (seed) => {
    const [twin, turned] = [0, 1].map((mislead) => compileModel('rotated-basis', { seed, mislead })) as [
      CompiledModel,
      CompiledModel,
    ]
    for (const ids of twin.inputs(50)) {
      const [expected, logits] = [twin, turned].map(({ circuit }) => referenceRun(circuit, ids).logits)
      logits!.forEach((value, token) => {
        expect(value).toBeCloseTo(expected![token]!, 5)
      })
    }
  })

  it.each(SEEDS)('seed %i: without the giant, logits grow by the gain', (seed) => {
    const model = compileModel('dominated-norm', { seed })
    const { gain } = model.truth.facts
    const { zero } = effectOf(model, 'giant')
    const loud = model.tokens.indexOf('#')
    expect(gain!).toBeGreaterThan(2)
    model.questions.forEach((question, i) => {
      const whole = difference(model, question)
      const ratio = (whole + zero[i]!) / whole
      // Idle heads write a little, which the norm sees.
      expect(Math.abs(ratio / (question.ids.includes(loud) ? gain! : 1) - 1)).toBeLessThan(0.02)
    })
  })

  it.each(SEEDS)('seed %i: a head whose eigenvalues are positive copies without shear, and hardly with it', (seed) => {
    expect(compileModel('non-normal-copying', { seed, mislead: 0 }).truth.facts.copied).toBe(1)
    expect(compileModel('non-normal-copying', { seed, mislead: 1 }).truth.facts.copied).toBeLessThan(0.5)
  })

  it.each(SEEDS)('seed %i: patching the illusory direction flips the answer, neither half of it does', (seed) => {
    for (const [mislead, flipped] of [
      [1, 1],
      [0, 0],
    ] as const) {
      const model = compileModel('subspace-illusion', { seed, mislead })
      const along = (name: string) =>
        model.pairs.map((pair) => {
          const { vector } = model.truth.directions.find((one) => one.name === name)!
          const [clean, corrupt] = [pair.clean, pair.corrupt].map((ids) => referenceRun(model.circuit, ids).held)
          const neurons = vector.flatMap((x, n) => (x === 0 ? [] : [[`L0N${n}` as Part, x] as const]))
          const rows = pair.clean.length
          const moved = Array.from({ length: rows }, (_, p) =>
            neurons.reduce(
              (sum, [part, x]) => sum + x * (corrupt!.get(part)!.data[p]! - clean!.get(part)!.data[p]!),
              0,
            ),
          )
          const set = new Map(
            neurons.map(([part, x]) => [
              part,
              { rows, columns: 1, data: clean!.get(part)!.data.map((value, p) => value + x * moved[p]!) },
            ]),
          )
          const whole = trueLogitDifference(referenceRun(model.circuit, pair.clean), pair)
          return (whole - trueLogitDifference(referenceRun(model.circuit, pair.clean, { set }), pair)) / (2 * whole)
        })
      for (const share of along('illusory')) expect(share).toBeCloseTo(flipped, 6)
      for (const share of [...along('disconnected'), ...along('dormant')]) expect(share).toBeCloseTo(0, 6)
    }
  })

  it('the correlated data hide an input that the answer depends on', () => {
    const [hidden, balanced] = [1, 0].map((mislead) => compileModel('correlated-inputs', { seed: 3, mislead }))
    const values = (model: CompiledModel) => {
      const reader = partOf(model, 'reads b')
      return new Set(
        model.questions.map(({ ids }) => {
          const { data, columns } = referenceRun(model.circuit, ids).held.get(reader)!
          return Array.from(data.subarray(data.length - columns), (x) => Math.round(1e6 * x)).join()
        }),
      ).size
    }
    expect([values(hidden!), values(balanced!)]).toEqual([1, 2])
    expect(hidden!.truth.hypotheses.map(({ holds }) => holds)).toEqual([false, true])
  })

  it('refuses what there is not', () => {
    expect(() => compileModel('nothing')).toThrow(/no family of compiled models called 'nothing'.*and-gate/)
    expect(() => compileModel('or-gate', { mislead: 2 })).toThrow(/mislead is 2/)
    const { circuit, questions } = compileModel('or-gate')
    const value = { rows: 1, columns: 1, data: new Float64Array(1) }
    expect(() => referenceRun(circuit, questions[0]!.ids, { set: new Map([['L7H0', value]]) })).toThrow(/no L7H0/)
  })
})
