import { normalValues, randomSource } from '../../random/index.ts'

/** How much data there is, and how noisy it is. */
export interface TeacherDataSpec {
  /** Numbers per input. */
  readonly inputs: number
  readonly trainExamples: number
  readonly validationExamples: number
  readonly testExamples: number
  /** The share of the labels' variance that is noise, in the training and validation examples; those of the test have none. */
  readonly labelNoise: number
}

/** Inputs and labels. */
export interface LabelledExamples {
  /** [examples, inputs], standard normal. */
  readonly inputs: Float32Array
  /** [examples]; without noise of variance 1. */
  readonly labels: Float32Array
}

/**
 * Examples of a linear teacher: the label is one random direction of the input, and normal noise. Inputs and noise of each
 * example are the same however many there are, so that a smaller set is the beginning of a larger one.
 */
export function teacherData(
  spec: TeacherDataSpec,
  seed: number,
): Readonly<Record<'train' | 'validation' | 'test', LabelledExamples>> {
  const raw = normalValues(spec.inputs, 1, randomSource(seed, 'teacher'))
  const length = Math.hypot(...raw)
  const examples = (part: string, count: number, share: number): LabelledExamples => {
    const inputs = normalValues(count * spec.inputs, 1, randomSource(seed, part, 'inputs'))
    const noise = normalValues(count, Math.sqrt(share / (1 - share)), randomSource(seed, part, 'noise'))
    const labels = noise.map((one, i) =>
      raw.reduce((sum, along, k) => sum + (along / length) * inputs[i * spec.inputs + k]!, one),
    )
    return { inputs, labels }
  }
  return {
    train: examples('train', spec.trainExamples, spec.labelNoise),
    validation: examples('validation', spec.validationExamples, spec.labelNoise),
    test: examples('test', spec.testExamples, 0),
  }
}
