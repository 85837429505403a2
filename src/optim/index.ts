export { accuracy, preciseCrossEntropy } from './losses.ts'
export { type OptimiserSpec, optimiserSchema } from './optimisers/index.ts'
export { type Schedule, scheduleSchema } from './schedule.ts'
export type { BatchTypes, LossFunction, Parameter, Parameters, TracedLoss } from './trace-step.ts'
export {
  compileTrainingStep,
  type StepMeasures,
  type TrainingState,
  type TrainingStep,
  type TrainingStepOptions,
} from './training-step.ts'
