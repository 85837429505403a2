import { validate } from '../../runs/validate.ts'
import { curveOf } from '../../train/index.ts'
import type { ArmContext, Measures, TrainedRun } from '../experiment.ts'
import { detectPhaseChanges } from '../phase-change.ts'
import { prominentPeak } from './peak.ts'
import { type FeatureFit, fitRandomFeatures, randomFeaturesSchema } from './random-features.ts'
import { studentLosses, trainExamples } from './students.ts'

/** Curves simulated for each p-value of a phase change. */
const NULLS = 200

/** Test loss over model size and over data, and its peak: of random features, or of the networks of a training. */
export async function measureDoubleDescent(context: ArmContext): Promise<Measures> {
  return context.run ? measureStudents(context.run, context.seed) : measureFeatures(context)
}

async function measureFeatures(context: ArmContext): Promise<Measures> {
  const spec = validate(randomFeaturesSchema, context.parameters, `The parameters of the arm ${context.arm}`)
  const { modelWise, sampleWise } = await fitRandomFeatures(spec, context.seed, context)
  const curve = (fits: readonly FeatureFit[], x: (fit: FeatureFit) => number, y: (fit: FeatureFit) => number) => ({
    x: fits.map(x),
    y: fits.map(y),
  })
  return {
    scalars: { ...peakScalars('model', modelWise), ...peakScalars('sample', sampleWise) },
    curves: {
      modelWise: curve(
        modelWise,
        (fit) => fit.width,
        (fit) => fit.testLoss,
      ),
      sampleWise: curve(
        sampleWise,
        (fit) => fit.examples,
        (fit) => fit.testLoss,
      ),
    },
    tables: { modelWise, sampleWise },
  }
}

/** Where the threshold lies there are as many features as examples. */
function peakScalars(sweep: 'model' | 'sample', fits: readonly FeatureFit[]): Record<string, number> {
  const losses = fits.map(({ testLoss }) => testLoss)
  const { index, ratio } = prominentPeak(losses)
  const distance = ({ width, examples }: FeatureFit) => Math.max(width / examples, examples / width)
  const near = fits.filter((fit) => distance(fit) <= 1.25).map(({ testLoss }) => testLoss)
  return {
    [`${sweep}PeakRatio`]: ratio,
    [`${sweep}PeakDistance`]: distance(fits[index]!),
    [`${sweep}LossNearThreshold`]: median(near),
    [`${sweep}LowestLoss`]: Math.min(...losses),
    [`${sweep}LastLoss`]: losses.at(-1)!,
  }
}

function measureStudents(run: TrainedRun, seed: number): Measures {
  const byWidth = studentLosses(run)
  const examples = trainExamples(run)
  // the penalty of every width is chosen on the validation examples
  const chosen = byWidth.map((networks) => networks.reduce((a, b) => (b.validation < a.validation ? b : a)))
  const losses = chosen.map(({ test }) => test)
  const { index, ratio } = prominentPeak(losses)
  const peak = chosen[index]!
  const fitting = chosen.find(({ train }) => train < 1e-3)
  const training = curveOf(run.log, 'loss')
  const changes = detectPhaseChanges(training, { scale: 'log', values: 'log', seed, nulls: NULLS })
  const parameters = chosen.map((one) => one.parameters)
  const penalties = byWidth[0]!.map(({ penalty }) => penalty)
  return {
    scalars: {
      peakRatio: ratio,
      peakDistance: Math.max(peak.parameters / examples, examples / peak.parameters),
      peakLoss: peak.test,
      highestLoss: Math.max(...losses),
      narrowestLoss: losses[0]!,
      widestLoss: losses.at(-1)!,
      // how many parameters per example interpolating took
      interpolatesAt: fitting ? fitting.parameters / examples : Number.NaN,
      phaseChanges: changes.changes.length,
    },
    curves: {
      test: { x: parameters, y: losses },
      train: { x: parameters, y: chosen.map(({ train }) => train) },
      loss: { x: training.steps, y: training.values },
      ...Object.fromEntries(
        penalties.map((penalty, i) => [`test/${penalty}`, { x: parameters, y: byWidth.map((one) => one[i]!.test) }]),
      ),
    },
    tables: { networks: byWidth, chosen, changes },
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted.length === 0 ? Number.NaN : (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2
}
