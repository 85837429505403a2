import * as v from 'valibot'
import { afterAll, describe, expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { writeSafetensors } from '../../hub/safetensors-write.ts'
import { memorySource } from '../../hub/source.ts'
import { openModel } from '../../lab/index.ts'
import { curveOf, memoryStore, parseTrainingConfig, train } from '../index.ts'
import { pairKinds } from './addition/categories.ts'
import {
  encodeQuestions,
  equalsPosition,
  predictingPosition,
  questionPosition,
  sequenceLength,
  vocabulary,
} from './addition/format.ts'
import { type AdditionConfig, addition, trainingQuestions } from './addition.ts'

const engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
afterAll(() => engine.dispose())

const small: Partial<AdditionConfig> = { digits: 2, d_model: 24, d_mlp: 48, batchSize: 16, heldOut: 16 }
const create = (config: Partial<AdditionConfig>, seed = 0) =>
  addition.create(v.parse(addition.schema, config), seed, { readFile: () => Promise.reject(new Error('no files')) })

const text = (sign: boolean) => {
  const format = { digits: 3, sign }
  const ids = encodeQuestions(format, [{ first: [5, 4, 9], second: [5, 5, 0] }])
  return [...ids].map((id) => vocabulary(format)[Number(id)]).join('')
}

describe('addition questions', () => {
  it('are written highest digit first, in both formats', () => {
    expect(text(false)).toBe('945+055=1000')
    expect(text(true)).toBe('945+055=+1000')
    expect(vocabulary({ digits: 5, sign: false })).toHaveLength(12)
    expect(vocabulary({ digits: 5, sign: true })).toHaveLength(15)
    expect(sequenceLength({ digits: 5, sign: false })).toBe(18)
  })

  it('have their digits where the format says', () => {
    for (const sign of [false, true]) {
      const format = { digits: 5, sign }
      const question = { first: [1, 2, 3, 4, 5], second: [6, 7, 8, 9, 0] }
      const ids = [...encodeQuestions(format, [question])].map(Number)
      expect(ids[questionPosition(format, 'first', 3)]).toBe(4)
      expect(ids[questionPosition(format, 'second', 1)]).toBe(7)
      expect(vocabulary(format)[ids[equalsPosition(format)]!]).toBe('=')
      // 54321 + 09876 = 064197
      const predicted = [0, 1, 2, 3, 4, 5].map((digit) => ids[predictingPosition(format, digit) + 1])
      expect(predicted).toEqual([7, 9, 1, 4, 6, 0])
    }
  })

  it('are enriched with nines as asked, whole batches at a time', () => {
    const config = { digits: 5, batchSize: 64, nines: { batches: 0.2, pairs: 0.2 } }
    const shares = Array.from({ length: 400 }, (_, index) => {
      const kinds = trainingQuestions(config, 3, index).flatMap(pairKinds)
      return kinds.filter((kind) => kind === 'passes').length / kinds.length
    })
    const enriched = shares.filter((share) => share > 0.19)
    // 0.1 of random pairs sum to 9; in enriched batches 0.2 + 0.8 * 0.1
    expect(enriched.length / 400).toBeGreaterThan(0.14)
    expect(enriched.length / 400).toBeLessThan(0.26)
    const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length
    expect(mean(enriched)).toBeCloseTo(0.28, 1)
    expect(mean(shares.filter((share) => share <= 0.19))).toBeCloseTo(0.1, 1)
  })

  it('are a function of seed and index', async () => {
    const [one, same, other] = [await create(small, 1), await create(small, 1), await create(small, 2)]
    expect(one.microBatch(7)).toEqual(same.microBatch(7))
    expect(one.microBatch(7)).not.toEqual(one.microBatch(8))
    expect(one.microBatch(7)).not.toEqual(other.microBatch(7))
  })

  it('keep their questions when answers are unrelated', async () => {
    const [sums, unrelated] = [await create(small), await create({ ...small, answers: 'unrelated' })]
    const [a, b] = [sums, unrelated].map((problem) => problem.microBatch(0).tokens as BigInt64Array)
    const length = sequenceLength({ digits: 2, sign: false })
    const part = (tokens: BigInt64Array, from: number, to: number) =>
      [...tokens].filter((_, i) => i % length >= from && i % length < to)
    expect(part(b!, 0, 6)).toEqual(part(a!, 0, 6))
    expect(part(b!, 6, 9)).not.toEqual(part(a!, 6, 9))
  })
})

describe('the addition task', () => {
  it('learns, and logs every digit and every category', async () => {
    const problem = await create(small)
    const config = parseTrainingConfig({
      ...addition.settings,
      task: 'addition',
      steps: 60,
      optimiser: { name: 'adamw', learningRate: 3e-3 },
      evaluate: { every: 30 },
    })
    const store = memoryStore()
    await train(engine, problem, config, { store })
    const log = await store.readLog()
    const { values } = curveOf(log, 'loss')
    expect(values[0]).toBeGreaterThan(2)
    expect(values.at(-1)).toBeLessThan(1.9)
    const { digitLoss, loss } = log.find(({ values }) => 'digitLoss' in values)!.values
    expect((digitLoss as number[]).reduce((a, b) => a + b) / 3).toBeCloseTo(loss as number, 10)
    const evaluated = log.find(({ step, values }) => step === 60 && 'random/accuracy' in values)!.values
    expect(Object.keys(evaluated).filter((name) => name.endsWith('/accuracy'))).toEqual(
      ['random', 'base-add', 'use-carry', 'simple-nine'].map((name) => `${name}/accuracy`),
    )
    // [highest digit .. lowest]: no carry into the lowest, and none through a 9 into the second
    expect((evaluated['digit-tasks/UC1'] as number[])[2]).toBe(0)
    expect((evaluated['digit-tasks/US9'] as number[]).slice(1)).toEqual([0, 0])
    expect(Math.min(...(evaluated['digit-tasks/BA'] as number[]))).toBeGreaterThan(0)
  })

  it('saves a model that reads questions as text', async () => {
    for (const sign of [false, true]) {
      const problem = await create({ ...small, sign })
      const files = {
        ...problem.modelFiles,
        'config.json': JSON.stringify(problem.model!.json),
        'model.safetensors': writeSafetensors(problem.model!.checkpoint(problem.initial())),
      }
      const model = await openModel(memorySource(files), engine.backend)
      const question = { first: [2, 1], second: [4, 3] }
      const ids = [...encodeQuestions({ digits: 2, sign }, [question])].map(Number)
      const text = sign ? '12+34=+046' : '12+34=046'
      expect(model.tokenizer!.encode(text).ids).toEqual(ids)
      expect(model.tokenizer!.decode(ids)).toBe(text)
      await model.dispose()
    }
  })

  it('refuses heads that do not divide the model', () => {
    expect(() => v.parse(addition.schema, { d_model: 64, n_heads: 3 })).toThrow('multiple of n_heads')
  })
})
