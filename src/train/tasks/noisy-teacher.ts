import * as v from 'valibot'
import type { Parameter, Parameters } from '../../optim/index.ts'
import { randomSource } from '../../random/index.ts'
import { type Tensor, tensor } from '../../tensor/index.ts'
import type { Evaluation, Problem, Task } from '../problem.ts'
import { type LabelledExamples, teacherData } from './teacher-data.ts'

const size = v.pipe(v.number(), v.integer(), v.minValue(1))

const schema = v.strictObject({
  /** Numbers per input. */
  inputs: v.optional(size, 10),
  trainExamples: v.optional(size, 100),
  validationExamples: v.optional(size, 100),
  testExamples: v.optional(size, 1000),
  /** The share of the training and validation labels' variance that is noise. */
  labelNoise: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0.2),
  /** Hidden units; every width is a network of its own. */
  widths: v.optional(v.pipe(v.array(size), v.minLength(1)), [1, 2, 4, 8, 16, 32, 64]),
  /** Factors of the squared weights in the loss; every one is crossed with every width. */
  penalties: v.optional(v.pipe(v.array(v.pipe(v.number(), v.minValue(0))), v.minLength(1)), [0]),
  /** Networks of every kind, from other first values. */
  copies: v.optional(size, 1),
})

/** The networks that one training holds: all penalties, widths and copies. */
export type NoisyTeacherConfig = v.InferOutput<typeof schema>

/** One of the networks that train side by side. */
export interface TeacherStudent {
  readonly penalty: number
  readonly width: number
  readonly copy: number
}

/** The networks in the order of the instance axis: penalties, then widths, then copies. */
export function teacherStudents({ penalties, widths, copies }: NoisyTeacherConfig): TeacherStudent[] {
  return penalties.flatMap((penalty) =>
    widths.flatMap((width) => Array.from({ length: copies }, (_, copy) => ({ penalty, width, copy }))),
  )
}

/** Weights and biases of a network of that width with one output. */
export function studentParameters({ inputs }: Pick<NoisyTeacherConfig, 'inputs'>, width: number): number {
  return width * (inputs + 2) + 1
}

/**
 * Two-layer ReLU networks of growing width, side by side, fitted to the noisy labels of a linear teacher by least squares:
 * where they have about as many parameters as there are examples, test loss peaks (double descent; Belkin et al. 2019).
 *
 * Narrow networks are stored as wide as the widest. A hidden unit that starts with zeros before and behind it gets no
 * gradient and stays that way, so no mask is needed.
 */
export const noisyTeacher: Task<NoisyTeacherConfig> = {
  name: 'noisy-teacher',
  description: 'Networks of many widths fitted to noisy labels: how test loss depends on size (double descent).',
  schema,
  settings: {
    steps: 20_000,
    optimiser: { name: 'adam', learningRate: 0.01 },
    schedule: { shape: 'cosine' },
    stepsPerRun: 10,
    logEvery: 100,
    evaluate: { perDecade: 10 },
  },

  create(config, seed): Problem {
    const students = teacherStudents(config)
    const widest = Math.max(...config.widths)
    const count = students.length
    const parameters: Parameter[] = [
      { name: 'first.weight', shape: [count, config.inputs, widest], decays: true },
      { name: 'first.bias', shape: [count, 1, widest], decays: false },
      { name: 'second.weight', shape: [count, widest, 1], decays: true },
      { name: 'second.bias', shape: [count, 1, 1], decays: false },
    ]
    const data = teacherData(config, seed)
    const penalties = tensor(Float32Array.from(students, ({ penalty }) => penalty))
    const evaluation = (name: 'train' | 'validation' | 'test'): Evaluation => ({
      name,
      inputs: tensorsOf(data[name], config.inputs),
      trace: (weights, { inputs, labels }) => {
        // per network: [K]
        return { loss: meanSquares(weights, inputs!, labels!) }
      },
    })
    const batch = tensorsOf(data.train, config.inputs)
    return {
      parameters,
      initial: () =>
        new Map(
          parameters.map(({ name, shape }) => {
            const values = new Float32Array(shape.reduce((a, b) => a * b))
            if (name.endsWith('weight')) fillWeights(values, name, students, config.inputs, widest, seed)
            return [name, values]
          }),
        ),
      batch,
      microBatch: () => ({ inputs: data.train.inputs, labels: data.train.labels }),
      // the sum over networks: each one's gradient is its own
      loss: (weights, { inputs, labels }) => {
        const squares = ['first.weight', 'second.weight']
          .map((name) => weights.get(name)!.square().sum([1, 2]))
          .reduce((a, b) => a.add(b))
        return { loss: meanSquares(weights, inputs!, labels!).add(squares.mul(penalties)).sum() }
      },
      evaluations: [evaluation('train'), evaluation('validation'), evaluation('test')],
      tokensPerBatch: config.trainExamples,
    }
  },
}

/** The mean squared error of every network [K] on inputs [N, d] and labels [N, 1]. */
function meanSquares(weights: Parameters, inputs: Tensor, labels: Tensor): Tensor {
  const hidden = inputs.matmul(weights.get('first.weight')!).add(weights.get('first.bias')!).relu()
  const outputs = hidden.matmul(weights.get('second.weight')!).add(weights.get('second.bias')!)
  return outputs.sub(labels).square().mean([1, 2]) // [K, N, 1] -> [K]
}

/** Examples as tensors: inputs [N, d] and labels [N, 1]. */
function tensorsOf({ inputs, labels }: LabelledExamples, width: number) {
  return {
    inputs: { dtype: 'float32', shape: [labels.length, width], data: inputs },
    labels: { dtype: 'float32', shape: [labels.length, 1], data: labels },
  } as const
}

/** Normal first values of variance 2 / (numbers read); zeros for the units that a narrow network lacks. */
function fillWeights(
  values: Float32Array,
  name: string,
  students: readonly TeacherStudent[],
  inputs: number,
  widest: number,
  seed: number,
): void {
  const isFirst = name.startsWith('first')
  for (const [k, { width, copy }] of students.entries()) {
    // networks that differ in their penalty only start alike
    const random = randomSource(seed, 'initial', name, width, copy)
    const scale = Math.sqrt(2 / (isFirst ? inputs : width))
    const rows = isFirst ? inputs : 1
    for (let row = 0; row < rows; row++) {
      for (let unit = 0; unit < width; unit++) values[(k * rows + row) * widest + unit] = scale * random.normal()
    }
  }
}
