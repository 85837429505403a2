import { validate } from '../../runs/validate.ts'
import { curveOf } from '../../train/index.ts'
import {
  featureImportance,
  type SuperpositionConfig,
  type SuperpositionModel,
  superposition,
  superpositionModels,
} from '../../train/tasks/superposition.ts'
import type { TrainedRun } from '../experiment.ts'
import type { ToyModel } from './expected-loss.ts'

/** One of the models of a run, with what it was trained on. */
export interface TrainedToy extends SuperpositionModel {
  readonly model: ToyModel
  /** Of every feature. */
  readonly importances: readonly number[]
  /** Its place among the run's models. */
  readonly place: number
}

/** The config of a run's task, complete. */
export function superpositionConfig(run: TrainedRun): SuperpositionConfig {
  return validate(superposition.schema, run.config.config, 'The config of the task superposition')
}

/** Every model of a run, grouped: the copies of one density and importance together. */
export function modelGroups(run: TrainedRun): TrainedToy[][] {
  const config = superpositionConfig(run)
  const { features, hidden, copies } = config
  const [W, b] = [run.parameters.get('W')!, run.parameters.get('b')!]
  const all = superpositionModels(config).map((one, place): TrainedToy => {
    const width = features * hidden
    const importances = Array.from({ length: features }, (_, i) => featureImportance(config, one.lastImportance, i))
    const model = {
      W: W.subarray(place * width, (place + 1) * width),
      b: b.subarray(place * features, (place + 1) * features),
      ...{ features, hidden },
    }
    return { ...one, model, importances, place }
  })
  return Array.from({ length: all.length / copies }, (_, group) => all.slice(group * copies, (group + 1) * copies))
}

/** The model of least loss, and its loss. */
export function leastBy(models: readonly TrainedToy[], loss: (model: TrainedToy) => number) {
  return models.map((model) => ({ ...model, loss: loss(model) })).reduce((a, b) => (b.loss < a.loss ? b : a))
}

/** The held-out loss of a model after the last step. */
export function heldOutLoss(run: TrainedRun): (model: TrainedToy) => number {
  return ({ place }) => curveOf(run.log, 'models/loss', place).values.at(-1)!
}
