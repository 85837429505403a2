export type { Architecture, ConfigJson } from './architectures/architecture.ts'
export { architectures } from './architectures/index.ts'
export type { ModelConfig, RotaryScaling } from './config.ts'
export { type CheckpointEntry, describeModel, type ModelDescription } from './describe.ts'
export { type Forward, JOINS, type Join } from './forward.ts'
export { type HookPoint, hookPoints } from './hook-points.ts'
export { weightAxes, weightShape } from './layout.ts'
export {
  type ParameterSource,
  type ParameterSpec,
  publicValues,
  publicView,
  storedShape,
  storedValues,
} from './parameters.ts'
export { traceModel } from './parts/model.ts'
export { rotaryFrequencies, rotaryTables } from './parts/rotary.ts'
export {
  type ProcessedModel,
  type ProcessingOptions,
  processWeights,
  type Weights,
  type WeightValues,
} from './processing/index.ts'
export { publicParameters, weightNames } from './public-parameters.ts'
export { type RectangularRun, rectangularForward } from './rectangular.ts'
