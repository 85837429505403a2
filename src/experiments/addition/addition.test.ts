import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { afterAll, describe, expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { randomSource } from '../../random/index.ts'
import { concat, constant, full, iota, stack, type Tensor } from '../../tensor/index.ts'
import { completeTrainingConfig, memoryStore, train } from '../../train/index.ts'
import { carryOrigins, categoryOf, type Question, questionCategories } from '../../train/tasks/addition/categories.ts'
import { equalsPosition, questionPosition, sequenceLength, vocabulary } from '../../train/tasks/addition/format.ts'
import { addition } from '../../train/tasks/addition.ts'
import type { TrainedRun } from '../experiment.ts'
import { parseExperiment } from '../spec.ts'
import { ablateHeads, ablateSteps, meanActivations, summariseSteps } from './ablation.ts'
import { cascadeAccuracy, measureAccuracies, testQuestions, testQuestionsOf } from './accuracy.ts'
import { type Adder, scoreAnswers } from './adder.ts'
import { enumeratedCascades } from './enumerated-cascades.ts'
import { additionExperiment } from './index.ts'
import { baseAddFirst, firstBelow, learningOrder } from './learning-order.ts'
import { matchStaircase, meanAttention, pairAttention } from './staircase.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
afterAll(() => engine.dispose())

const resources = { readFile: () => Promise.reject(new Error('there are no files')) }
const HEADS = 3

/**
 * An adder made by hand, whose workings are known: head 0 alone carries the answer, its residual stream is the logits, head h attends to pair
 * n - h of A_n. Without carries it writes every digit's sum modulo 10.
 */
function handMadeAdder(carries: boolean, sign = false, digits = 4): Adder {
  const config = v.parse(addition.schema, { digits, sign })
  const ids = vocabulary(config)
  const positions = sequenceLength(config) - 1
  const number = (value: number) => constant(value, 'float64')
  const digitSums = (tokens: Tensor) =>
    Array.from({ length: digits }, (_, i) => {
      const [a, b] = (['first', 'second'] as const).map((one) => tokens.get(':', questionPosition(config, one, i)))
      return a!.add(b!).cast('float64')
    })
  const answerDigit = (sums: readonly Tensor[], i: number): Tensor => {
    const shifted = (value: Tensor, by: number) => value.div(number(10 ** by)).floor()
    if (carries) {
      const total = sums.map((sum, j) => sum.mul(number(10 ** j))).reduce((a, b) => a.add(b))
      return shifted(total, i).sub(shifted(total, i + 1).mul(number(10)))
    }
    return i === digits ? sums[0]!.mul(number(0)) : sums[i]!.sub(shifted(sums[i]!, 1).mul(number(10)))
  }
  // [positions, positions]: head h looks at pair n - h where A_n is predicted, and everywhere alike elsewhere
  const pattern = (head: number) => {
    const rows = Array.from({ length: positions }, (_, query) => {
      const row = new Array<number>(positions).fill(0)
      const pair = sequenceLength(config) - 2 - query - head
      const looks = query >= equalsPosition(config) && pair >= 0 && pair < digits
      if (looks) for (const one of ['first', 'second'] as const) row[questionPosition(config, one, pair)] = 0.5
      else row.fill(1 / positions)
      return row.map((weight) => full([1], weight))
    })
    return concat(rows.flat(), 0).reshape(1, 1, positions, positions)
  }
  return {
    config,
    engine,
    parameters: new Map(),
    model: {
      config: { n_layers: 1, n_heads: HEADS } as Adder['model']['config'],
      logits(_, tokens, hook = (_name, x) => x) {
        const batch = tokens.shape[0]!
        const sums = digitSums(tokens)
        const blank = full([batch, ids.length], 0)
        const oneHot = (values: Tensor) => iota(ids.length).equal(values.cast('int64').unsqueeze(-1)).cast('float32')
        const plus = oneHot(full([batch], ids.indexOf('+'), 'int64'))
        const answers = Array.from({ length: digits + 1 }, (_, k) => oneHot(answerDigit(sums, digits - k)))
        const before = new Array<Tensor>(equalsPosition(config)).fill(blank)
        const rows = [...before, ...(sign ? [plus] : []), ...answers].slice(0, positions)
        const patterns = concat(
          Array.from({ length: HEADS }, (_, h) => pattern(h)),
          1,
        )
        const ones = sums[0]!.mul(number(0)).add(number(1)).cast('float32').reshape(batch, 1, 1, 1)
        hook('blocks.0.attn.hook_pattern', patterns.mul(ones))
        const z = hook('blocks.0.attn.hook_z', full([batch, positions, HEADS, 1], 1))
        // [B, P, vocabulary]: the answer at 30 nats, times what head 0 mixed
        const residual = stack(rows, 1)
          .mul(30)
          .mul(z.get(':', ':', 0))
        return hook('blocks.0.hook_resid_post', residual)
      },
    },
  }
}

const questions = (count: number, digits = 4) => testQuestions(digits, count, 'a test')
const byCategory = (count: number) =>
  new Map(questionCategories(4).map((category) => [category, testQuestionsOf(4, category, count)]))

describe('accuracy', () => {
  it.each([false, true])('is 1 everywhere for an adder that carries (sign: %s)', async (sign) => {
    const accuracies = await measureAccuracies(handMadeAdder(true, sign), { random: 600, perCascade: 50 })
    expect(accuracies).toMatchObject({ random: 1, baseAdd: 1, useCarry: 1 })
    expect(accuracies.randomLoss).toBeLessThan(1e-9)
    expect(accuracies.cascades.map(({ nines, start }) => [nines, start])).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 0],
      [2, 1],
      [3, 0],
    ])
    expect(cascadeAccuracy(accuracies, () => true)).toBe(1)
  })

  it('is exactly the share of questions without a carry, for an adder that never carries', async () => {
    const adder = handMadeAdder(false)
    const asked = questions(500)
    const { wrong, answerTokens } = await scoreAnswers(adder, asked)
    for (const [q, question] of asked.entries()) {
      const errors = [...wrong.subarray(q * answerTokens, (q + 1) * answerTokens)].toReversed()
      // wrong digit by digit where a carry comes in, and nowhere else
      expect(errors).toEqual(carryOrigins(question).map((origin) => (origin < 0 ? 0 : 1)))
    }
    const accuracies = await measureAccuracies(adder, { random: 500, perCascade: 30 })
    expect(accuracies).toMatchObject({ baseAdd: 1, useCarry: 0 })
    expect(cascadeAccuracy(accuracies, () => true)).toBe(0)
    const baseAdd = testQuestions(4, 500, 'accuracy').filter((question) => categoryOf(question) === 'base-add')
    expect(accuracies.random).toBe(baseAdd.length / 500)
  })
})

describe('enumerated cascades', () => {
  it('are of the start and length they say, and differ', () => {
    const groups = enumeratedCascades(5, 1800)
    expect(groups.map(({ questions: all }) => all.length)).toEqual(new Array(10).fill(1800))
    const long = groups.filter(({ nines }) => nines >= 2)
    expect(long.reduce((sum, { questions: all }) => sum + all.length, 0)).toBeGreaterThan(10_000)
    for (const { start, nines, questions: all } of groups) {
      const category = nines === 1 ? 'simple-nine' : `cascade-${nines}`
      expect(new Set(all.map(categoryOf))).toEqual(new Set([category]))
      expect(all.every((question) => carryOrigins(question)[start + 1] === 0)).toBe(true)
      expect(all.every((question) => carryOrigins(question)[start + nines + 1] === nines)).toBe(true)
      // every pair that can make a carry, and every pair that sums to 9, at every place of the chain
      const pairs = (at: number) => new Set(all.map(({ first, second }) => `${first[at]}${second[at]}`)).size
      expect(pairs(start)).toBe(45)
      for (let at = start + 1; at <= start + nines; at++) expect(pairs(at)).toBe(10)
      const texts = new Set(all.map(({ first, second }: Question) => `${first}+${second}`))
      expect(texts.size).toBeGreaterThan(nines === 4 ? 1799 : 1700)
    }
  })
})

describe('ablation', () => {
  it('finds the head that carries the answer, in every category, and that its mean is as good', async () => {
    const adder = handMadeAdder(true)
    const means = await meanActivations(adder, questions(64))
    const ablations = await ablateHeads(adder, means, byCategory(32))
    for (const { head, kind, lossChange } of ablations) {
      // without the answer all 12 tokens are alike
      const expected = head === 0 && kind === 'zero' ? Math.log(12) : 0
      for (const category of questionCategories(4)) expect(lossChange[category]).toBeCloseTo(expected, 5)
    }
    expect(ablations).toHaveLength(2 * HEADS)
  })

  it('finds that each step breaks its own digit only, and the steps before = nothing', async () => {
    const adder = handMadeAdder(true)
    const asked = questions(300)
    const steps = await ablateSteps(adder, await meanActivations(adder, asked), asked)
    const summary = summariseSteps(steps, adder, asked.length)
    expect(summary.freeStepLossChange).toBe(0)
    // the highest digit, 0 or 1, is wrong in almost half of the questions: 0.4 over one in 300
    expect(summary.stepErrorRatio).toBeGreaterThan(100)
    const last = steps.find(({ position }) => position === sequenceLength(adder.config) - 2)!
    expect(last.errors[0]).toBeGreaterThan(0.7)
    expect(last.errors.slice(1)).toEqual([0, 0, 0, 0])
  })
})

describe('the staircase', () => {
  it('is perfect where head h looks at pair n - h', async () => {
    const adder = handMadeAdder(true)
    const [layer] = await meanAttention(adder, questions(8))
    const pairs = pairAttention(adder, layer!)
    // A_2's step: head 0 at pair 2, head 1 at pair 1, head 2 at pair 0
    expect(pairs.map((steps) => steps[2])).toEqual([
      [0, 0, 1, 0],
      [0, 1, 0, 0],
      [1, 0, 0, 0],
    ])
    const found = matchStaircase(pairs, 500, randomSource(0, 'null'))
    expect(found).toMatchObject({ heads: [0, 1, 2], score: 1 })
    expect(found.pValue).toBeLessThan(0.01)
    expect(found.null95).toBeLessThan(0.9)
  })

  it('is found for heads in any order, and not in attention without order', () => {
    const random = randomSource(2, 'attention')
    const rows = (weight: (answer: number, pair: number) => number) =>
      Array.from({ length: 6 }, (_, answer) => {
        const mass = Array.from({ length: 5 }, (_, pair) => weight(answer, pair))
        const total = mass.reduce((a, b) => a + b, 0)
        return mass.map((one) => one / total)
      })
    const climbing = [2, 0, 1].map((offset) => rows((answer, pair) => (pair === answer - offset ? 1 : 0.2)))
    expect(matchStaircase(climbing, 500, random)).toMatchObject({ heads: [1, 2, 0] })
    expect(matchStaircase(climbing, 500, random).pValue).toBeLessThan(0.01)
    const pValues = Array.from({ length: 20 }, () => {
      const noise = [0, 1, 2].map(() => rows(() => random.uniform()))
      return matchStaircase(noise, 200, random).pValue
    })
    expect(pValues.filter((p) => p < 0.05).length).toBeLessThan(5)
  })
})

describe('the experiment', () => {
  it('measures what every bar reads, and draws it, for a barely trained adder', async () => {
    const path = fileURLToPath(new URL('../../../experiments/addition/experiment.json', import.meta.url))
    const spec = parseExperiment(JSON.parse(readFileSync(path, 'utf8')), path)
    const config = completeTrainingConfig({
      ...{ task: 'addition', config: { digits: 3, d_model: 24, d_mlp: 24, batchSize: 8, heldOut: 8, n_layers: 2 } },
      ...{ steps: 32, evaluate: { every: 16 } },
    })
    const problem = await addition.create(v.parse(addition.schema, config.config), 0, resources)
    const store = memoryStore()
    const { state } = await train(engine, problem, config, { store, checkpointSeconds: 1000 })
    const run: TrainedRun = {
      ...{ config, problem, parameters: state.parameters, log: await store.readLog(), snapshotSteps: [] },
      snapshot: () => Promise.reject(new Error('none was kept')),
    }
    const parameters = { random: 40, perCascade: 5, ablated: 8, nulls: 200 }
    const context = { arm: 'main', seed: 0, parameters, engine, resources, run, quick: true }
    const measures = await additionExperiment.measure(context)
    for (const { measure } of spec.bars) expect(measures.scalars).toHaveProperty(measure)
    expect(measures.scalars.randomAccuracy).toBe(0)
    expect(measures.scalars.finalLoss).toBeGreaterThan(1)
    const figures = additionExperiment.figures([{ arm: 'main', seed: 0, measures }])
    expect(Object.keys(figures).sort()).toEqual([
      'accuracy-main',
      'cascades',
      'digit-loss-main',
      'order',
      'task-loss-main',
    ])
    // one that can add also shows its heads, steps and attention
    const able = structuredClone(measures)
    const tables = able.tables.addition as { accuracies: { random: number } }
    tables.accuracies.random = 1
    const more = Object.keys(additionExperiment.figures([{ arm: 'main', seed: 0, measures: able }]))
    expect(more).toContain('head-ablation-main')
    expect(more.filter((name) => /^(attention|step-ablation)-main-layer-[01]$/.test(name))).toHaveLength(4)
  })
})

describe('order of learning', () => {
  const format = { digits: 3, sign: true }
  // five answer tokens: sign, A3, A2, A1, A0
  const log = [10, 20, 30].map((step, i) => ({
    step,
    values: {
      'digit-tasks/BA': [0, 1, 1, [1, 0.05, 0.01][i]!, 1],
      'digit-tasks/UC1': [0, 1, [0.09, 1, 1][i]!, [1, 1, 0.02][i]!, 0],
      'digit-tasks/US9': [0, 1, [1, 1, 0.05][i]!, 0, 0],
    },
  }))

  it('is read per digit', () => {
    const order = learningOrder(log, format)
    const never = Number.POSITIVE_INFINITY
    expect(order).toEqual([
      { digit: 1, learned: { BA: 20, UC1: 30, US9: never } },
      { digit: 2, learned: { BA: never, UC1: 10, US9: 30 } },
    ])
    expect(baseAddFirst(order)).toBe(1)
    expect(firstBelow({ steps: [1, 2], values: [0.1, 0.05] }, 0.1)).toBe(2)
  })
})
