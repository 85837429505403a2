export { type AblatedDifference, ablatedDifference } from './ablated-truth.ts'
export type { CompiledFamily } from './compile.ts'
export type {
  Compensation,
  CompiledModel,
  CompiledPair,
  CompiledQuestion,
  InstanceOptions,
  KnownDirection,
  KnownHypothesis,
  Truth,
} from './compiled-model.ts'
export { compiledFamilies, compileModel } from './families/index.ts'
export { interchangeExplains, positionsRead } from './interchange-truth.ts'
export { type Edge, edgeName, type Part, type PartPlace, partPlace, type Via } from './parts.ts'
export { type Interventions, type ReferenceRun, referenceRun } from './reference.ts'
export { type ResampledEffect, resampledEffects } from './resampled-truth.ts'
export { compiledSource } from './source.ts'
export {
  changesAnswer,
  type EdgeEffect,
  edgesOf,
  edgesThatMatter,
  logitDifference as trueLogitDifference,
  MATTERS_FROM,
  type PartEffect,
  partsOf,
  trueEdges,
  trueEffects,
} from './truth.ts'
