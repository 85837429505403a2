import type { WorkOptions } from '../errors/index.ts'
import type { EditReport, GenerateOptions, Model, Provenance } from '../lab/index.ts'
import type { Check, Cost, MethodResult } from '../methods/index.ts'
import type { Place, ViewSpec } from '../views/index.ts'
import { toEdit } from './edit-schema.ts'
import type { LabelledSpec } from './method.ts'
import { methodOf } from './registry.ts'
import { toJsonText, withTypedArrays } from './result-json.ts'
import { type ModelSpec, type RunSpec, type RunSpecInput, runResultSchema, runSpecSchema } from './schema.ts'
import { validate } from './validate.ts'

/** How an experiment gets its model, is followed and is cancelled. */
export interface RunnerOptions extends WorkOptions {
  /** Opens the model of a spec on its backend. The runner closes nothing: who opens, closes. */
  readonly openModel: (
    model: ModelSpec,
    options: { readonly backend: RunSpec['backend'] } & WorkOptions,
  ) => Promise<Model>
  /** Reads files that a spec's parameters name; without it such a spec is refused. */
  readonly readFile?: ((path: string) => Promise<Uint8Array>) | undefined
  /** Streams new tokens of `generate`. */
  readonly onToken?: GenerateOptions['onToken'] | undefined
  /** Gives the result so far, as a cancelled run would give it, whenever more of it is computed; work is then in smaller batches. */
  readonly onPartial?: ((result: RunResult) => void) | undefined
}

/** What an experiment gave. */
export interface RunResult {
  readonly version: 1
  /** Run again on the same backend, it gives the same values. */
  readonly spec: RunSpec
  readonly provenance: Provenance
  /** The method's own: plain JSON, and `{ axes, shape, dtype, data }` with typed arrays where it gives arrays. */
  readonly values: Readonly<Record<string, unknown>>
  readonly checks: readonly Check[]
  readonly cost: Cost
  /** How often each edit of the spec fired, in all runs and variants. */
  readonly edits: readonly EditReport[]
  /** False when the work was cancelled and `values` hold what was done until then. */
  readonly complete: boolean
}

/** A spec with its defaults. Throws naming every field that is wrong, prompts and parameters of the method included. */
export function parseSpec(json: unknown): RunSpec {
  const spec = validate(runSpecSchema, json, 'The spec')
  methodOf(spec.method).check(spec.prompts, spec.parameters)
  return spec
}

/** Runs an experiment. Throws as `parseSpec` does, and what opening the model and the method throw. */
export async function runSpec(input: RunSpecInput, options: RunnerOptions): Promise<RunResult> {
  const spec = parseSpec(input)
  const { signal, onProgress, onToken, onPartial, readFile } = options
  const method = methodOf(spec.method)
  const model = await options.openModel(spec.model, { backend: spec.backend, signal, onProgress })
  const resultOf = (result: MethodResult<object>): RunResult => ({
    version: 1,
    spec: { ...spec, model: pinned(spec.model, model.revision) },
    provenance: { ...result.provenance, seed: spec.seed },
    values: { ...result.values },
    checks: result.checks,
    cost: result.cost,
    edits: result.edits,
    complete: result.complete,
  })
  const result = await method.run(model, spec.prompts, spec.parameters, {
    edits: spec.edits.map(toEdit),
    seed: spec.seed,
    prependBos: spec.prependBos,
    signal,
    onProgress,
    onToken,
    readFile,
    onPartial: onPartial && ((partial) => onPartial(resultOf(partial))),
  })
  return resultOf(result)
}

/** The model with the commit that was used, so that the spec means the same files later. */
function pinned(model: ModelSpec, revision: string | null): ModelSpec {
  return revision === null ? model : { ...model, ref: model.ref.replace(/@[^@]*$/, ''), revision }
}

/** A result as JSON text; `parseResult` reads it. */
export function resultToJson(result: RunResult): string {
  return toJsonText(result)
}

/** A result from parsed JSON, with typed arrays where it has arrays. Throws naming every field that is wrong. */
export function parseResult(json: unknown): RunResult {
  const result = validate(runResultSchema, json, 'The result')
  parseSpec(result.spec)
  return { ...result, values: withTypedArrays(result.values) as RunResult['values'] }
}

/**
 * The single runs behind a place of a result's pictures, to look at side by side: for patching the clean, the corrupted and
 * the patched one. Empty where the place is none of them, or the method has no such runs.
 */
export function runsAtOf({ spec, values }: RunResult, place: Place): readonly LabelledSpec[] {
  return methodOf(spec.method).runsAt(spec, values, place)
}

/** Pictures of a result, the most telling first. */
export function viewsOf({ spec, values }: RunResult): ViewSpec[] {
  return methodOf(spec.method).views(values)
}
