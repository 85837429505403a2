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
export { type AttentionOptions, type AttentionValues, attentionPatterns, type HeadScore } from './attention-patterns.ts'
export {
  type AttributionPatchOptions,
  type AttributionPatchValues,
  attributionPatching,
} from './attribution-patching.ts'
export type { Check, Verdict } from './checks.ts'
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
export type { LikelyToken } from './likely-tokens.ts'
export { type LensOptions, type LensReading, type LensValues, logitLens } from './logit-lens.ts'
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
