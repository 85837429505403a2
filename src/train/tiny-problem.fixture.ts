import { normalValues, randomSource } from '../random/index.ts'
import { parseTrainingConfig, type TrainingConfig, type TrainingConfigInput } from './config.ts'
import type { Problem } from './problem.ts'

/** A linear map [4] -> [3] to be found from random examples of a planted one: trains in milliseconds. */
export function tinyProblem(seed: number): Problem {
  const planted = normalValues(12, 1, randomSource(seed, 'planted'))
  const data = (size: number, index: number | string) => {
    const x = normalValues(size * 4, 1, randomSource(seed, 'batch', index))
    // [size, 4] x [4, 3]
    const y = Float32Array.from({ length: size * 3 }, (_, i) => {
      const [row, column] = [Math.floor(i / 3), i % 3]
      return [0, 1, 2, 3].reduce((sum, k) => sum + x[row * 4 + k]! * planted[k * 3 + column]!, 0)
    })
    return { x, y }
  }
  const heldOut = data(16, 'held out')
  return {
    parameters: [
      { name: 'W', shape: [4, 3], decays: true },
      { name: 'b', shape: [3], decays: false },
    ],
    initial: () =>
      new Map([
        ['W', normalValues(12, 0.1, randomSource(seed, 'W'))],
        ['b', new Float32Array(3)],
      ]),
    batch: { x: { dtype: 'float32', shape: [8, 4] }, y: { dtype: 'float32', shape: [8, 3] } },
    microBatch: (index) => data(8, index),
    loss: (parameters, { x, y }) => {
      const error = x!.matmul(parameters.get('W')!).add(parameters.get('b')!).sub(y!)
      return { loss: error.square().mean(), metrics: { perOutput: error.square().mean([0]) } }
    },
    evaluations: [
      {
        name: 'heldOut',
        inputs: {
          x: { dtype: 'float32', shape: [16, 4], data: heldOut.x },
          y: { dtype: 'float32', shape: [16, 3], data: heldOut.y },
        },
        trace: (parameters, { x, y }) => ({
          loss: x!.matmul(parameters.get('W')!).add(parameters.get('b')!).sub(y!).square().mean(),
        }),
      },
    ],
    tokensPerBatch: 8,
  }
}

/** Its config, with changes. */
export function tinyConfig(changes: Partial<TrainingConfigInput> = {}): TrainingConfig {
  return parseTrainingConfig({
    task: 'tiny',
    steps: 60,
    optimiser: { name: 'adam', learningRate: 0.05 },
    schedule: { warmup: 3, shape: 'cosine' },
    clip: 5,
    evaluate: { perDecade: 3 },
    snapshots: { every: 25, perDecade: 2 },
    ...changes,
  })
}
