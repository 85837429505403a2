/**
 * The face of this room (skeleton, being filled in):
 *   runSpec(spec, { openModel, signal, onProgress, onToken }) -> RunResult
 *   parseSpec(json) -> RunSpec, parseResult(json) -> RunResult, resultToJson(result) -> string
 *   viewsOf(result) -> ViewSpec[]; methodNames; methods[name].summary
 */
import type { WorkOptions } from '../errors/index.ts'
import type { Model, Provenance } from '../lab/index.ts'
import type { Check, Cost } from '../methods/index.ts'
import type { ViewSpec } from '../views/index.ts'
import type { ModelSpec, RunSpec, RunSpecInput } from './schema.ts'

export interface RunnerOptions extends WorkOptions {
  /** Opens the model of a spec. The runner disposes nothing: who opens, closes. */
  readonly openModel: (model: ModelSpec, options: { backend: RunSpec['backend'] } & WorkOptions) => Promise<Model>
  /** Streams new tokens of `generate`. */
  readonly onToken?: (token: { prompt: number; id: number; text: string }) => void
}
/**
 * values by method:
 *  lens       { layers, prompts: [{ prompt: {text, ids, tokens}, cells: [layer][position] { top: [{id, token, probability}], rank, kl, entropy } }] }
 *  attention  { layers, heads, prompts: [{ prompt, patterns: [layer][head][query][key] }], scores: { previous, first, diagonal, entropy: [layer][head] }, ranking }
 *  attribute  { metric, by, labels, values: [component], low?, high?, constant, total, prompts: [{ prompt, values, total }] }
 *  patch      { metric, what, by, direction, values: [layer][position] | [layer][head] | [layer][position][head], axes: { layer, position, .. }, clean, corrupt, normalised, low, high, reverse: { direction, values, normalised } | null, alignment, pairs }
 *  ablate     { metric, what, kind, base, values, effect, loss: { base, values, effect } | null, axes }
 *  attribution_patch  like patch (estimates), { exact: [...] for the checked cells }
 *  capture    { arrays: { [hook]: { axes, shape, dtype, data: TypedArray (number[] in JSON), lengths } }, prompts }
 *  generate   { continuations: [{ prompt, ids, text, stoppedBy }] }
 */
export interface RunResult {
  readonly version: 1
  readonly spec: RunSpec
  readonly provenance: Provenance
  readonly values: Readonly<Record<string, unknown>>
  readonly checks: readonly Check[]
  readonly cost: Cost
  /** False when the work was cancelled and `values` hold what was done until then. */
  readonly complete: boolean
}
export type { EditJson } from './edit-schema.ts'
export { editSchema } from './edit-schema.ts'
export type { PairJson, PromptJson, QuestionJson, TokenJson } from './prompt-schema.ts'
export { pairSchema, questionSchema } from './prompt-schema.ts'
export type { ModelSpec, RunSpec, RunSpecInput } from './schema.ts'

/**
 * Parameters by method (all optional unless said):
 *  lens       { topK }
 *  attention  { layers, heads }
 *  attribute  { by: 'component' | 'head' | 'accumulated' | 'full', position, frozenScale? }
 *  patch      { what: 'resid_pre'|'resid_mid'|'resid_post'|'attn_out'|'mlp_out'|'z'|'q'|'k'|'v'|'pattern'|'neurons' (required),
 *               by: 'position'|'layer'|'head'|'head_position'|'neuron', direction: 'clean_into_corrupted' (default)|'corrupted_into_clean',
 *               bothDirections (default true), metric: 'logit_difference'|'logit'|'log_probability', layers, positions, heads, neurons }
 *  ablate     { what: 'head'|'attn'|'mlp'|'neuron', kind: 'zero'|'mean'|'resample', reference: Prompt[], layers, heads, neurons, metric }
 *  attribution_patch { what, by, layers }
 *  capture    { hooks: string[] (required) }
 *  generate   { tokens (required), greedy, temperature, topK, topP, stop, stopAtSpecial }
 * prompts by method: lens, attention, capture, generate: texts or id lists; attribute, ablate: { prompt, answer, wrong };
 * patch, attribution_patch: { clean, corrupt, answer, wrong }.
 */
export declare function parseSpec(json: unknown): RunSpec
export declare function runSpec(spec: RunSpecInput, options: RunnerOptions): Promise<RunResult>
export declare function parseResult(json: unknown): RunResult
export declare function resultToJson(result: RunResult): string
export declare function viewsOf(result: RunResult): ViewSpec[]
export declare const methodNames: readonly string[]
