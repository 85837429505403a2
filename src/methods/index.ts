export {
  type AblatedPair,
  type AblatePairsOptions,
  type AblatePairsValues,
  ablatePairs,
  type PairedPart,
} from './ablation/ablate-pairs.ts'
export { type AblationValues, ablation } from './ablation/ablation.ts'
export type { Downstream, Placement } from './ablation/ablation-distribution.ts'
export {
  ABLATABLE,
  ABLATED_HOOKS,
  ABLATION_KINDS,
  type AblateWhat,
  type AblationKind,
  type AblationOptions,
  type PartOptions,
  type ReplacementOptions,
} from './ablation/ablation-parts.ts'
export {
  type Compensator,
  type SelfRepairOptions,
  type SelfRepairValues,
  selfRepair,
} from './ablation/self-repair.ts'
export { COMPONENT_WHATS, type ComponentWhat } from './ablation/self-repair-runs.ts'
export type { TopPart } from './ablation/top-parts.ts'
export {
  causalScrubbing,
  type ScrubbedNode,
  type ScrubOptions,
  type ScrubValues,
} from './causal-scrubbing/causal-scrubbing.ts'
export type { DataBalance } from './causal-scrubbing/data-balance.ts'
export type { Feature, LabelColumns, ScrubExample } from './causal-scrubbing/features.ts'
export type { Hypothesis, HypothesisInput, HypothesisNode } from './causal-scrubbing/hypothesis.ts'
export type { RecoveredShare, SampleOutcome } from './causal-scrubbing/scrub-measures.ts'
export {
  type CausalTrace,
  type CausalTraceOptions,
  type CausalTraceValues,
  causalTracing,
} from './causal-tracing/causal-tracing.ts'
export { TOKEN_CLASSES, type TokenClass, type TracedPrompt } from './causal-tracing/trace-prompts.ts'
export {
  CORRUPTIONS,
  type Corruption,
  TRACE_MEASURES,
  TRACE_STATES,
  TRACED_HOOKS,
  type TracedMeasures,
  type TraceMeasure,
  type TraceState,
} from './causal-tracing/trace-runs.ts'
export type { TraceMap } from './causal-tracing/trace-sweep.ts'
export { discoverCircuit } from './circuit-discovery/circuit-discovery.ts'
export {
  type CircuitEdge,
  DISCOVERY_WAYS,
  type DiscoveryOptions,
  type DiscoveryValues,
  type DiscoveryWay,
  type FoundCircuit,
} from './circuit-discovery/discovery-values.ts'
export type { CurvePoint } from './circuit-discovery/faithfulness.ts'
export { REMOVAL_MEASURES, type RemovalMeasure } from './circuit-discovery/greedy-removal.ts'
export type { HeadComposition } from './circuits/circuit-compositions.ts'
export {
  type CircuitDirection,
  type DirectionEnds,
  type HeadCircuit,
  type WeightedToken,
  writesToLogits,
} from './circuits/circuit-layer.ts'
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
  type HeadMeans,
  headDetectors,
  type ScoredHead,
} from './heads/head-detectors.ts'
export { byShareBeyond, FOUND_BEYOND_NULL, type HeadJob } from './heads/head-findings.ts'
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
export type { Corpus, CorpusText } from './max-activating/activation-corpus.ts'
export type { ActivationTarget } from './max-activating/activation-target.ts'
export {
  type ActivatingExample,
  type ExampleBand,
  type MaxActivatingOptions,
  type MaxActivatingValues,
  maxActivating,
} from './max-activating/max-activating.ts'
export type { QuantileInterval } from './max-activating/max-activating-checks.ts'
export type { MinimalExample } from './max-activating/minimal-example.ts'
export type { Typicality } from './max-activating/typical-examples.ts'
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
export type { Direction, MeasuredPair, PromptPair } from './patching/prompt-pair.ts'
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
export {
  type PatchedSubspace,
  SUBSPACE_SOURCES,
  type SubspacePatchOptions,
  type SubspacePatchValues,
  type SubspaceSearch,
  type SubspaceSource,
  subspacePatching,
} from './subspace-patching/subspace-patching.ts'
export type { Exchanged } from './subspace-patching/subspace-runs.ts'
export { type SiteOptions, SUBSPACE_WHATS, type SubspaceWhat } from './subspace-patching/subspace-site.ts'
