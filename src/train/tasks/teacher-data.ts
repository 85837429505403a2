import { normalValues, randomSource } from '../../random/index.ts'

/** How much data there is, and how noisy it is. */
export interface TeacherDataSpec {
  /** Numbers per input. */
  readonly inputs: number
  readonly trainExamples: number
  readonly validationExamples: number
  readonly testExamples: number
  /** The share of labels that are flipped in the training and validation examples; those of the test are right. */
  readonly labelNoise: number
}

/** Inputs and labels. */
export interface LabelledExamples {
  /** [examples, inputs], standard normal. */
  readonly inputs: Float32Array
  /** [examples], 1 or -1. */
  readonly labels: Float32Array
}

/**
 * Examples that a linear teacher labels: the sign of one random direction of the input. Inputs and flips of each example
 * are the same however many there are, so that a smaller set is the beginning of a larger one.
 */
export function teacherData(
  spec: TeacherDataSpec,
  seed: number,
): Readonly<Record<'train' | 'validation' | 'test', LabelledExamples>> {
  const direction = normalValues(spec.inputs, 1, randomSource(seed, 'teacher'))
  const examples = (part: string, count: number, noise: number): LabelledExamples => {
    const inputs = normalValues(count * spec.inputs, 1, randomSource(seed, part, 'inputs'))
    const flips = randomSource(seed, part, 'flips')
    const labels = Float32Array.from({ length: count }, (_, i) => {
      const along = direction.reduce((sum, d, k) => sum + d * inputs[i * spec.inputs + k]!, 0)
      return (along >= 0 ? 1 : -1) * (flips.uniform() < noise ? -1 : 1)
    })
    return { inputs, labels }
  }
  return {
    train: examples('train', spec.trainExamples, spec.labelNoise),
    validation: examples('validation', spec.validationExamples, spec.labelNoise),
    test: examples('test', spec.testExamples, 0),
  }
}
