export { type AblationValues, ablation } from './ablation/ablation.ts'
export {
  ABLATABLE,
  ABLATED_HOOKS,
  ABLATION_KINDS,
  type AblateWhat,
  type AblationKind,
  type AblationOptions,
} from './ablation/ablation-parts.ts'
export type { HeadComposition } from './circuits/circuit-compositions.ts'
export type { CircuitDirection, DirectionEnds, HeadCircuit, WeightedToken } from './circuits/circuit-layer.ts'
export { CIRCUIT_EMBEDDINGS, type CircuitEmbedding } from './circuits/circuit-weights.ts'
export { type CircuitOptions, type CircuitValues, circuits, type HeadCircuits } from './circuits/circuits.ts'
export {
  COMPOSITIONS,
  type ComposedPair,
  type Composition,
  type CompositionScores,
  compositionScores,
  type PairScores,
  rankPairs,
} from './circuits/composition.ts'
export { type EigenvalueCopying, eigenvalueCopying } from './circuits/eigenvalue-copying.ts'
export {
  type AttributionOptions,
  type AttributionValues,
  directLogitAttribution,
} from './direct-attribution/direct-logit-attribution.ts'
export { DECOMPOSITIONS, type Decomposition } from './direct-attribution/residual-parts.ts'
export { type ResidualStack, residualStack, type StackOptions } from './direct-attribution/residual-stack.ts'
export {
  EDGE_ESTIMATES,
  type EdgeAttributionOptions,
  type EdgeAttributionValues,
  type EdgeEstimate,
  edgeAttribution,
} from './edge-attribution/edge-attribution.ts'
export type { ExactEdge } from './edge-attribution/edge-attribution-checks.ts'
export {
  type AttentionOptions,
  type AttentionValues,
  attentionPatterns,
  type HeadScore,
  type PatternArray,
} from './heads/attention-patterns.ts'
export { copyingScores } from './heads/copying.ts'
export {
  type DetectorScores,
  HEAD_DETECTORS,
  type HeadDetector,
  type HeadDetectorOptions,
  type HeadDetectorValues,
  headDetectors,
  type ScoredHead,
} from './heads/head-detectors.ts'
export {
  HEAD_PATTERNS,
  type HeadPattern,
  headPatternScores,
  type PatternScoreOptions,
  type PatternScores,
  type PerHead,
  type Runner,
} from './heads/head-patterns.ts'
export {
  type RepeatedTokens,
  type RepeatedTokensOptions,
  repeatedRandomTokens,
  shuffledTokens,
} from './heads/repeated-tokens.ts'
export {
  type InContextScore,
  inContextScore,
  type MeanWithInterval,
  type NextTokens,
  nextTokens,
  type RepeatedTokenLoss,
  repeatedTokenLoss,
} from './heads/token-losses.ts'
export type { LensReading } from './lens/lens-readout.ts'
export { type LensOptions, type LensValues, logitLens } from './lens/logit-lens.ts'
export {
  type Expectation,
  nextTokenPredictions,
  type PredictionOptions,
  type PredictionValues,
} from './lens/next-token-predictions.ts'
export {
  type HeldOutLens,
  type LensArray,
  type TunedLensOptions,
  type TunedLensValues,
  trainedLens,
  tunedLens,
} from './lens/tuned-lens.ts'
export type { LensMeasures } from './lens/tuned-lens-measures.ts'
export type { LensFit } from './lens/tuned-lens-training.ts'
export {
  LENS_FILES,
  type LensCard,
  type LensTraining,
  readLens,
  saveLens,
  type TrainedLens,
  type Translators,
} from './lens/tuned-lens-translators.ts'
export {
  activationPatching,
  type PatchOptions,
  type PatchSweep,
  type PatchValues,
} from './patching/activation-patching.ts'
export {
  type AttributionPatchOptions,
  type AttributionPatchValues,
  attributionPatching,
} from './patching/attribution-patching.ts'
export {
  type CellOptions,
  type Nested,
  PATCH_BY,
  PATCH_WHATS,
  PATCHABLE,
  type PatchBy,
  type PatchWhat,
} from './patching/patch-grid.ts'
export type { Direction, PromptPair } from './patching/prompt-pair.ts'
export type { SeparateRun } from './path-patching/path-patch-checks.ts'
export type { EdgeOptions } from './path-patching/path-patch-plan.ts'
export {
  type PathPatchOptions,
  type PathPatchSweep,
  type PathPatchValues,
  pathPatching,
} from './path-patching/path-patching.ts'
export type { Check, Verdict } from './shared/checks.ts'
export type { LikelyToken } from './shared/likely-tokens.ts'
export type { MethodOptions } from './shared/options.ts'
export {
  ANSWER_METRICS,
  type AnswerMetricName,
  METRICS,
  type MetricName,
  type NamedToken,
  type Question,
  type Token,
} from './shared/question.ts'
export { type Cost, Meter, type MethodResult } from './shared/result.ts'
