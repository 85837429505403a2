import * as v from 'valibot'
import { throwIfAborted, type WorkOptions } from '../../errors/index.ts'
import { normalValues, randomSource } from '../../random/index.ts'
import { type LabelledExamples, teacherData } from '../../train/tasks/teacher-data.ts'
import { type Features, predictions, ridgeFits } from './ridge.ts'

const size = v.pipe(v.number(), v.integer(), v.minValue(1))
const sizes = v.pipe(v.array(size), v.minLength(1))

/** What an arm of random-features regression is made of. */
export const randomFeaturesSchema = v.strictObject({
  /** Numbers per input. */
  inputs: size,
  validationExamples: size,
  testExamples: size,
  /** The share of the training and validation labels' variance that is noise. */
  labelNoise: v.pipe(v.number(), v.minValue(0), v.ltValue(1)),
  /** Relative to the mean eigenvalue of the Gram matrix; the one of least loss on the validation examples is used. */
  penalties: v.pipe(v.array(v.pipe(v.number(), v.gtValue(0))), v.minLength(1)),
  /** Growing models on so many examples. */
  modelWise: v.strictObject({ examples: size, widths: sizes }),
  /** A growing number of examples for a model of so many features. */
  sampleWise: v.strictObject({ width: size, examples: sizes }),
})

/** What an arm of random-features regression is made of. */
export type RandomFeaturesSpec = v.InferOutput<typeof randomFeaturesSchema>

/** One fitted model. */
export interface FeatureFit {
  readonly width: number
  readonly examples: number
  /** The penalty that the validation examples chose. */
  readonly penalty: number
  /** Mean squared error on the test examples, in units of the labels' variance. */
  readonly testLoss: number
}

/**
 * Random ReLU features (Rahimi & Recht 2008): relu(w_j x) of fixed random w_j, of which only the linear readout is fitted, by
 * ridge regression solved exactly in float64. Resolves to the models of growing width, and those of growing data.
 */
export async function fitRandomFeatures(
  spec: RandomFeaturesSpec,
  seed: number,
  { signal, onProgress }: WorkOptions,
): Promise<{ readonly modelWise: FeatureFit[]; readonly sampleWise: FeatureFit[] }> {
  const { modelWise, sampleWise } = spec
  const trainExamples = Math.max(modelWise.examples, ...sampleWise.examples)
  const data = teacherData({ ...spec, trainExamples }, seed)
  const widest = Math.max(sampleWise.width, ...modelWise.widths)
  const weights = normalValues(widest * spec.inputs, 1 / Math.sqrt(spec.inputs), randomSource(seed, 'features'))
  const all = {
    train: allFeatures(data.train, weights, widest),
    validation: allFeatures(data.validation, weights, widest),
    test: allFeatures(data.test, weights, widest),
  }
  const fitOne = (width: number, examples: number): FeatureFit => {
    const labels = Float64Array.from(data.train.labels.subarray(0, examples))
    const fits = ridgeFits(firstFeatures(all.train, examples, width), labels, spec.penalties)
    const loss = (part: 'validation' | 'test', fitted: Float64Array) =>
      meanSquaredError(predictions(firstFeatures(all[part], all[part].count, width), fitted), data[part].labels)
    const validation = fits.map((fitted) => loss('validation', fitted))
    const best = validation.indexOf(Math.min(...validation))
    return { width, examples, penalty: spec.penalties[best]!, testLoss: loss('test', fits[best]!) }
  }
  const sweeps = [
    modelWise.widths.map((width) => ({ width, examples: modelWise.examples })),
    sampleWise.examples.map((examples) => ({ width: sampleWise.width, examples })),
  ]
  const total = sweeps.flat().length
  const fitted: FeatureFit[] = []
  for (const { width, examples } of sweeps.flat()) {
    throwIfAborted(signal)
    fitted.push(fitOne(width, examples))
    onProgress?.({ phase: 'random features', done: fitted.length, total, unit: 'models' })
    // fits block the event loop; an abort is heard between them
    await new Promise((resolve) => setTimeout(resolve, 0))
  }
  const cut = modelWise.widths.length
  return { modelWise: fitted.slice(0, cut), sampleWise: fitted.slice(cut) }
}

/** relu(x w_j) of all examples and all j. */
function allFeatures({ inputs, labels }: LabelledExamples, weights: Float32Array, width: number): Features {
  const [count, length] = [labels.length, inputs.length / labels.length]
  const values = new Float64Array(count * width)
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < width; j++) {
      let sum = 0
      for (let k = 0; k < length; k++) sum += inputs[i * length + k]! * weights[j * length + k]!
      values[i * width + j] = Math.max(0, sum)
    }
  }
  return { values, count, width }
}

/** The first features of the first examples. */
function firstFeatures(all: Features, count: number, width: number): Features {
  const values = new Float64Array(count * width)
  for (let i = 0; i < count; i++) values.set(all.values.subarray(i * all.width, i * all.width + width), i * width)
  return { values, count, width }
}

function meanSquaredError(predicted: Float64Array, labels: Float32Array): number {
  return predicted.reduce((sum, value, i) => sum + (value - labels[i]!) ** 2, 0) / predicted.length
}
