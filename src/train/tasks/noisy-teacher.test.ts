import * as v from 'valibot'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Engine } from '../../engine/index.ts'
import { createNodeBackend } from '../../engine/node/backend.ts'
import { parseTrainingConfig } from '../config.ts'
import { memoryStore } from '../run-store.ts'
import { train } from '../train.ts'
import { noisyTeacher, teacherStudents } from './noisy-teacher.ts'
import { teacherData } from './teacher-data.ts'

const spec = { inputs: 3, trainExamples: 2000, validationExamples: 10, testExamples: 10, labelNoise: 0.2 }

describe('a linear teacher', () => {
  it('gives labels of unit variance, of which the asked share is noise', () => {
    const { train: noisy } = teacherData(spec, 3)
    const { train: clean } = teacherData({ ...spec, labelNoise: 0 }, 3)
    const variance = (values: Float32Array) => values.reduce((sum, x) => sum + x * x, 0) / values.length
    expect(variance(clean.labels)).toBeCloseTo(1, 1)
    const noise = noisy.labels.map((label, i) => label - clean.labels[i]!)
    expect(variance(noise) / variance(noisy.labels)).toBeCloseTo(0.2, 1)
  })

  it('has a smaller set as the beginning of a larger one, and no noise in the test', () => {
    const small = teacherData({ ...spec, trainExamples: 5 }, 3)
    const large = teacherData(spec, 3)
    expect(small.train.labels).toEqual(large.train.labels.slice(0, 5))
    expect(teacherData({ ...spec, labelNoise: 0 }, 3).test).toEqual(large.test)
  })
})

describe('the noisy-teacher task', () => {
  let engine: Engine
  beforeAll(() => {
    engine = new Engine({ backend: createNodeBackend({ threads: 1 }) })
  })
  afterAll(() => engine.dispose())

  it('trains every network as if alone: units that a narrow one lacks stay zero, penalties shrink weights', async () => {
    const losses = async (own: Record<string, unknown>) => {
      const config = v.parse(noisyTeacher.schema, { ...spec, trainExamples: 20, ...own })
      const training = parseTrainingConfig({
        ...noisyTeacher.settings,
        task: noisyTeacher.name,
        config,
        steps: 40,
        schedule: {},
      })
      const store = memoryStore()
      const problem = await noisyTeacher.create(config, 1, { readFile: () => Promise.reject(new Error('no files')) })
      const { state } = await train(engine, problem, training, { store })
      return { students: teacherStudents(config), state, last: store.entries.at(-1)!.values['test/loss'] as number[] }
    }
    const together = await losses({ widths: [2, 5], penalties: [0, 0.1], copies: 2 })
    expect(together.students[5]).toEqual({ penalty: 0.1, width: 2, copy: 1 })
    const alone = await losses({ widths: [2], penalties: [0.1], copies: 2 })
    expect(together.last[5]).toBeCloseTo(alone.last[1]!, 4)

    // [8 networks, 3 inputs, 5 units]
    const first = together.state.parameters.get('first.weight')!
    const network = (k: number) => first.subarray(k * 15, (k + 1) * 15)
    const unused = (k: number) => network(k).filter((_, i) => i % 5 >= 2)
    for (const k of [0, 1, 4, 5]) expect(unused(k).every((weight) => weight === 0)).toBe(true)
    const squares = (k: number) => network(k).reduce((sum, weight) => sum + weight * weight, 0)
    for (const k of [0, 1, 2, 3]) expect(squares(k + 4)).toBeLessThan(squares(k))
  })
})
