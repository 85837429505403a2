import * as v from 'valibot'
import { editSchema } from './edit-schema.ts'
import type { PairJson, PromptJson, QuestionJson, TracedJson } from './prompt-schema.ts'

/** What model, and how its weights are rewritten on opening; see `ProcessingOptions`. */
export const modelSchema = v.strictObject({
  /** Hub id with optional `@revision`, local folder, or bundled name. */
  ref: v.pipe(v.string(), v.nonEmpty()),
  /** Branch, tag or commit. A result's spec holds the commit that was used. */
  revision: v.optional(v.pipe(v.string(), v.nonEmpty())),
  processing: v.optional(
    v.strictObject({
      fold_ln: v.optional(v.boolean()),
      center_writing_weights: v.optional(v.boolean()),
      center_unembed: v.optional(v.boolean()),
      fold_value_biases: v.optional(v.boolean()),
    }),
  ),
})

/** An experiment as plain JSON. `parameters` and the form of `prompts` are the method's; `parseSpec` checks them too. */
export const runSpecSchema = v.strictObject({
  version: v.literal(1),
  model: modelSchema,
  method: v.string(),
  /** Texts or token ids; with `answer` and `wrong` where a method asks for them; pairs for patching. The method checks them. */
  prompts: v.array(v.custom<PromptJson | QuestionJson | PairJson | TracedJson>(() => true)),
  parameters: v.optional(v.record(v.string(), v.unknown()), {}),
  /** Edits of the model that all runs of the method see. */
  edits: v.optional(v.array(editSchema), []),
  /** Overrides the start token that the tokenizer's own post-processor gives; acts on texts, not on token ids. */
  prependBos: v.optional(v.boolean()),
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 1)), 0),
  dtype: v.optional(v.literal('float32'), 'float32'),
  backend: v.optional(v.picklist(['cpu', 'webgpu', 'cuda', 'wasm']), 'cpu'),
})

/** The model of a spec. */
export type ModelSpec = v.InferOutput<typeof modelSchema>
/** A checked spec, with defaults filled in. */
export type RunSpec = v.InferOutput<typeof runSpecSchema>
/** A spec as one writes it. */
export type RunSpecInput = v.InferInput<typeof runSpecSchema>

const wholeNumber = v.pipe(v.number(), v.integer(), v.minValue(0))

const checkSchema = v.strictObject({
  name: v.string(),
  claimed: v.string(),
  measured: v.nullable(v.union([v.number(), v.string()])),
  threshold: v.optional(v.number()),
  margin: v.optional(v.number()),
  verdict: v.picklist(['holds', 'fails', 'not tested']),
  why: v.string(),
})

/** A result as plain JSON. Arrays in `values` are nested lists, or `{ axes, shape, dtype, data }`. */
export const runResultSchema = v.strictObject({
  version: v.literal(1),
  /** Reproduces the values exactly on the same backend. */
  spec: runSpecSchema,
  provenance: v.strictObject({
    model: v.string(),
    revision: v.nullable(v.string()),
    processing: v.array(v.string()),
    dtype: v.literal('float32'),
    backend: v.string(),
    seed: v.nullable(v.number()),
    startToken: v.string(),
  }),
  values: v.record(v.string(), v.unknown()),
  /** How often each edit of the spec fired. */
  edits: v.array(
    v.strictObject({ hook: v.string(), kind: v.string(), hooks: v.array(v.string()), fired: wholeNumber }),
  ),
  checks: v.array(checkSchema),
  cost: v.strictObject({
    milliseconds: v.number(),
    compiles: wholeNumber,
    runs: wholeNumber,
    variants: wholeNumber,
  }),
  /** False when the work was cancelled and `values` hold what was done until then. */
  complete: v.boolean(),
})
