export { type AblationValues, ablation } from './ablation.ts'
export {
  ABLATABLE,
  ABLATED_HOOKS,
  ABLATION_KINDS,
  type AblateWhat,
  type AblationKind,
  type AblationOptions,
} from './ablation-parts.ts'
export { activationPatching, type PatchOptions, type PatchSweep, type PatchValues } from './activation-patching.ts'
export {
  type AttentionOptions,
  type AttentionValues,
  attentionPatterns,
  type HeadScore,
  type PatternArray,
} from './attention-patterns.ts'
export {
  type AttributionPatchOptions,
  type AttributionPatchValues,
  attributionPatching,
} from './attribution-patching.ts'
export type { Check, Verdict } from './checks.ts'
export type { HeadComposition } from './circuit-compositions.ts'
export type { CircuitDirection, DirectionEnds, HeadCircuit, WeightedToken } from './circuit-layer.ts'
export { CIRCUIT_EMBEDDINGS, type CircuitEmbedding } from './circuit-weights.ts'
export { type CircuitOptions, type CircuitValues, circuits, type HeadCircuits } from './circuits.ts'
export {
  COMPOSITIONS,
  type ComposedPair,
  type Composition,
  type CompositionScores,
  compositionScores,
  type PairScores,
  rankPairs,
} from './composition.ts'
export { copyingScores } from './copying.ts'
export { type AttributionOptions, type AttributionValues, directLogitAttribution } from './direct-logit-attribution.ts'
export {
  EDGE_ESTIMATES,
  type EdgeAttributionOptions,
  type EdgeAttributionValues,
  type EdgeEstimate,
  edgeAttribution,
} from './edge-attribution.ts'
export type { ExactEdge } from './edge-attribution-checks.ts'
export { type EigenvalueCopying, eigenvalueCopying } from './eigenvalue-copying.ts'
export {
  type DetectorScores,
  HEAD_DETECTORS,
  type HeadDetector,
  type HeadDetectorOptions,
  type HeadDetectorValues,
  headDetectors,
  type ScoredHead,
} from './head-detectors.ts'
export {
  HEAD_PATTERNS,
  type HeadPattern,
  headPatternScores,
  type PatternScoreOptions,
  type PatternScores,
  type PerHead,
  type Runner,
} from './head-patterns.ts'
export type { LensReading } from './lens-readout.ts'
export type { LikelyToken } from './likely-tokens.ts'
export { type LensOptions, type LensValues, logitLens } from './logit-lens.ts'
export {
  type Expectation,
  nextTokenPredictions,
  type PredictionOptions,
  type PredictionValues,
} from './next-token-predictions.ts'
export type { MethodOptions } from './options.ts'
export {
  type CellOptions,
  type Nested,
  PATCH_BY,
  PATCH_WHATS,
  PATCHABLE,
  type PatchBy,
  type PatchWhat,
} from './patch-grid.ts'
export type { SeparateRun } from './path-patch-checks.ts'
export type { EdgeOptions } from './path-patch-plan.ts'
export { type PathPatchOptions, type PathPatchSweep, type PathPatchValues, pathPatching } from './path-patching.ts'
export type { Direction, PromptPair } from './prompt-pair.ts'
export {
  ANSWER_METRICS,
  type AnswerMetricName,
  METRICS,
  type MetricName,
  type NamedToken,
  type Question,
  type Token,
} from './question.ts'
export {
  type RepeatedTokens,
  type RepeatedTokensOptions,
  repeatedRandomTokens,
  shuffledTokens,
} from './repeated-tokens.ts'
export { DECOMPOSITIONS, type Decomposition } from './residual-parts.ts'
export { type ResidualStack, residualStack, type StackOptions } from './residual-stack.ts'
export { type Cost, Meter, type MethodResult } from './result.ts'
export {
  type InContextScore,
  inContextScore,
  type MeanWithInterval,
  type NextTokens,
  nextTokens,
  type RepeatedTokenLoss,
  repeatedTokenLoss,
} from './token-losses.ts'
export {
  type HeldOutLens,
  type LensArray,
  type TunedLensOptions,
  type TunedLensValues,
  trainedLens,
  tunedLens,
} from './tuned-lens.ts'
export type { LensMeasures } from './tuned-lens-measures.ts'
export type { LensFit } from './tuned-lens-training.ts'
export {
  LENS_FILES,
  type LensCard,
  type LensTraining,
  readLens,
  saveLens,
  type TrainedLens,
  type Translators,
} from './tuned-lens-translators.ts'
