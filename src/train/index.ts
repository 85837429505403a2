export { type Batches, type BatchSource, batchesOfRun } from './batches.ts'
export { completeTrainingConfig, withTaskSettings } from './complete-config.ts'
export {
  type Cadence,
  configDifferences,
  parseTrainingConfig,
  type TrainingConfig,
  type TrainingConfigInput,
  type TrainingSettings,
} from './config.ts'
export { compileEvaluation } from './evaluate.ts'
export { type Curve, curveOf, type LogEntry, parseLog } from './log.ts'
export type { Evaluation, Problem, Task, TaskResources } from './problem.ts'
export { type MemoryStore, memoryStore, type RunStore, type TrainingCheckpoint } from './run-store.ts'
export { findTask, tasks } from './tasks/index.ts'
export { type TrainOptions, type TrainResult, train } from './train.ts'
export { type BiasGroup, initialValues, type TrainableModel, toyModel, trainableModel } from './trainable-model.ts'
