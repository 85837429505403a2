export { type Activation, type NamedArray, ofPrompt } from './arrays.ts'
export type { VerificationCheck } from './comparison.ts'
export type { ArrayValue, Edit, EditAction, EditContext, EditFunction, EditRegion, Edits, Prompt } from './edits.ts'
export type { Continuation, GenerateOptions, GenerateOutput } from './generate.ts'
export type { KeyValueCache } from './key-value-cache.ts'
export {
  klDivergence,
  logit,
  logitDifference,
  logProbability,
  loss,
  type Metric,
  type MetricContext,
  type MetricFunction,
  nextTokenTargets,
  type TokenChoice,
} from './metrics.ts'
export type { Model } from './model.ts'
export { estimateMemory, type MemoryEstimate, type OpenOptions, openModel } from './open.ts'
export { openCompiled } from './open-compiled.ts'
export type { TokenizedPrompt } from './prompts.ts'
export type { EditReport, Provenance } from './provenance.ts'
export type { PromptArray, Readout, ReadoutContext } from './readout.ts'
export type { RunOptions, RunOutput } from './run.ts'
export type { SamplingOptions } from './sampling.ts'
export type { Variant, VariantsOptions, VariantsOutput } from './variants.ts'
export { type ExpectedArray, type Verification, type VerifyOptions, verificationTokens, verifyModel } from './verify.ts'
export type { Weights } from './weights.ts'
