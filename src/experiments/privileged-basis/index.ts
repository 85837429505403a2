import { validate } from '../../runs/validate.ts'
import { compileEvaluation, curveOf, type LogEntry } from '../../train/index.ts'
import { privilegedBasis } from '../../train/tasks/privileged-basis.ts'
import type { ArmContext, Experiment, Measures } from '../experiment.ts'
import { detectPhaseChanges } from '../phase-change.ts'
import { figures } from './figures.ts'

/** Privileged bases in the residual stream (Elhage, Lasenby, Olah 2023): kurtosis over coordinates with several optimisers. */
export const privilegedBasisExperiment: Experiment = { name: 'privileged-basis', measure, figures }

/** Curves simulated for each p-value of a phase change. */
const NULLS = 200

async function measure(context: ArmContext): Promise<Measures> {
  const { seed } = context
  const { log, config } = context.run!
  const task = validate(privilegedBasis.schema, config.config, 'The config of the task privileged-basis')
  const corrected = (name: string) => correctedKurtosis(lastOf(log, name), task.d_model)
  // after the blocks; the embedding comes first
  const blocks = (name: string) => corrected(name).slice(1)
  const [kurtosis, rotated] = [blocks('kurtosis'), blocks('rotatedKurtosis')]
  const optimiser = task.rotation === 'shared' ? { optimiserKurtosis: corrected('optimiserKurtosis') } : {}
  const loss = curveOf(log, 'loss')
  const overTraining = blockMeans(log, 'heldOut/kurtosis', task.d_model)
  const changes = {
    loss: detectPhaseChanges(loss, { scale: 'log', values: 'log', seed, nulls: NULLS }),
    kurtosis: detectPhaseChanges(overTraining, { scale: 'log', seed, nulls: NULLS }),
  }
  const heldOut = curveOf(log, 'heldOut/loss')
  return {
    scalars: {
      heldOutLoss: heldOut.values.at(-1)!,
      largestKurtosis: Math.max(...kurtosis),
      meanKurtosis: mean(kurtosis),
      kurtosisError: Math.abs(mean(kurtosis) - 3),
      rotatedKurtosis: mean(rotated),
      rotatedKurtosisError: Math.abs(mean(rotated) - 3),
      differencesKurtosis: mean(blocks('differencesKurtosis')),
      commonShare: mean(lastOf(log, 'commonShare').slice(1)),
      outliersPerToken: Math.max(...lastOf(log, 'outliers')),
      ...(task.rotation === 'shared' ? { largestOptimiserKurtosis: Math.max(...blocks('optimiserKurtosis')) } : {}),
      ...(task.rotation === 'none' ? { rotatedLossChange: await rotatedLossChange(context) } : {}),
      lossPhaseChanges: changes.loss.changes.length,
      kurtosisPhaseChanges: changes.kurtosis.changes.length,
    },
    curves: {
      loss: { x: heldOut.steps, y: heldOut.values },
      kurtosis: { x: overTraining.steps, y: overTraining.values },
    },
    tables: {
      kurtosis: corrected('kurtosis'),
      rotatedKurtosis: corrected('rotatedKurtosis'),
      ...optimiser,
      changes,
    },
  }
}

/** Kurtosis of d coordinates, moved so that normal vectors have 3: their sample kurtosis is 3 (d - 1) / (d + 1). */
export function correctedKurtosis(values: readonly number[], d: number): number[] {
  return values.map((value) => value + 3 - (3 * (d - 1)) / (d + 1))
}

/** How much the held-out loss of the trained model changes when its residual stream is rotated. */
async function rotatedLossChange({ engine, run, seed, resources }: ArmContext): Promise<number> {
  const config = validate(privilegedBasis.schema, run!.config.config, 'The config of the task privileged-basis')
  const rotated = await privilegedBasis.create({ ...config, rotation: 'shared' }, seed, resources)
  const [evaluation] = rotated.evaluations
  const program = compileEvaluation(engine, rotated.parameters, evaluation!)
  try {
    // the same stored matrices, now read through the rotation
    const measured = await program(run!.parameters)
    const before = curveOf(run!.log, 'heldOut/loss').values.at(-1)!
    return Math.abs((measured['heldOut/loss'] as number) - before)
  } finally {
    program.release()
  }
}

/** A vector of the last evaluation. */
function lastOf(log: readonly LogEntry[], name: string): readonly number[] {
  const entry = log.findLast(({ values }) => values[`heldOut/${name}`] !== undefined)
  return entry!.values[`heldOut/${name}`] as readonly number[]
}

/** The corrected mean over blocks, over training. */
function blockMeans(log: readonly LogEntry[], name: string, d: number) {
  const entries = log.filter(({ values }) => values[name] !== undefined)
  return {
    steps: entries.map(({ step }) => step),
    values: entries.map(({ values }) => mean(correctedKurtosis((values[name] as readonly number[]).slice(1), d))),
  }
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length
