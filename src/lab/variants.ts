import { DiopterError, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import type { Join } from '../models/forward.ts'
import { traceModel } from '../models/parts/model.ts'
import { tensor } from '../tensor/index.ts'
import type { Activation } from './arrays.ts'
import type { Edit, EditFunction, Prompt } from './edits.ts'
import { layerOf, matchNames } from './hook-names.ts'
import { entryOrder, type StaircaseRow, staircaseLayout } from './layouts/staircase.ts'
import { asMetric, evaluateMetric, type Metric, type MetricFunction } from './metrics.ts'
import type { Model } from './model.ts'
import type { TokenizedPrompt } from './prompts.ts'
import type { Provenance } from './provenance.ts'
import { resolveEdit } from './resolve-edits.ts'
import { runModel } from './run.ts'
import { tappedForward } from './tapped-forward.ts'
import { type PlacedEdit, VariantTaps } from './variant-taps.ts'

/** One edited version of the base run: its edits, declarative or traced. */
export type Variant = readonly (Edit | { readonly hook: string; readonly edit: EditFunction })[]

/** How a sweep runs; see `Model.variants`. */
export interface VariantsOptions extends WorkOptions {
  /** Rows are computed in batches whose activations fit this; 1 GiB by default. */
  readonly memoryBytes?: number
  /** Overrides the start token that the tokenizer's own post-processor gives; acts on texts, not on token ids. */
  readonly prependBos?: boolean
  /** Given, batches are smaller (eight of them at least, where there are so many variants), and it gets the values so far after each one but the last. */
  readonly onBatch?: (soFar: Pick<VariantsOutput, 'base' | 'values'>) => void
}

/** What a sweep gives back. */
export interface VariantsOutput {
  readonly prompt: TokenizedPrompt
  /** The metric of the unedited run. */
  readonly base: number
  /**
   * The metric of every variant, in the order given; NaN for those that a cancelled sweep did not reach. The first variant
   * is in the first batch.
   */
  readonly values: readonly number[]
  /** False when the work was cancelled between or in batches, and `values` holds what was done until then. */
  readonly complete: boolean
  readonly provenance: Provenance
}

const DEFAULT_MEMORY = 1024 ** 3
/** Batches of a sweep whose values are wanted while it runs. */
const WATCHED_BATCHES = 8
/** Sharing the positions before the first edit costs gathers around attention: it pays beyond this share of the tokens. */
const REUSE_PAYS_FROM = 0.15

/**
 * Runs all variants; see `Model.variants`. When it is cancelled after the first batch, finished batches are kept.
 * Throws when an edit matches no hook or cannot fire, and the abort when no batch was finished.
 */
export async function runVariants(
  model: Model,
  base: Prompt,
  variants: readonly Variant[],
  givenMetric: Metric | MetricFunction,
  options: VariantsOptions,
): Promise<VariantsOutput> {
  const { signal, onProgress, onBatch, prependBos, memoryBytes = DEFAULT_MEMORY } = options
  const metric = asMetric(givenMetric)
  const prompt = model.tokenize(base, prependBos)
  const length = prompt.ids.length
  if (length > model.config.n_ctx)
    throw new DiopterError(`The prompt has ${length} tokens; this model's context is ${model.config.n_ctx}.`)
  const placed = await placeEdits(model, base, variants, options)
  const plans: Plan[] = placed.map((edits, i) => ({ index: i, edits, ...entryOf(edits, model, length) }))
  plans.sort(byEntry)
  const start = plans.reduce((least, plan) => Math.min(least, plan.start), length)
  const fitting = Math.floor(memoryBytes / bytesPerRow(model, length, reuses(plans, length) ? start : 0, metric))
  const watched = onBatch ? Math.floor(plans.length / WATCHED_BATCHES) : Number.POSITIVE_INFINITY
  const batches = batchesOf(plans, Math.max(1, Math.min(fitting, watched)))
  const values = new Array<number>(variants.length).fill(Number.NaN)
  let baseValue = Number.NaN
  let complete = true
  const started = Date.now()
  let done = 0
  for (const [number, batch] of batches.entries()) {
    let results: number[]
    try {
      throwIfAborted(signal)
      // Many batches are many graphs, each of which would keep the memory of its largest batch.
      results = await runBatch(model, prompt, batch, metric, { ...options, arena: batches.length === 1 })
    } catch (error) {
      if (!signal?.aborted || number === 0) throw error
      complete = false
      break
    }
    // Every batch has the base run; its value is one number, not one per batch.
    if (number === 0) baseValue = results[0]!
    batch.forEach(({ index }, i) => {
      values[index] = results[i + 1]!
    })
    done += new Set(batch).size
    onProgress?.({
      phase: 'running variants',
      done,
      total: plans.length,
      unit: 'variants',
      etaSeconds: ((Date.now() - started) / 1000 / Math.max(1, done)) * (plans.length - done),
    })
    if (done < plans.length) onBatch?.({ base: baseValue, values: [...values] })
  }
  return { prompt, base: baseValue, values, complete, provenance: model.provenance({ prompts: [prompt] }) }
}

interface Plan extends StaircaseRow {
  readonly index: number
  readonly edits: readonly Omit<PlacedEdit, 'row'>[]
}

const byEntry = (a: Plan, b: Plan) => a.enters - b.enters || a.index - b.index

/**
 * Batches of at most `most` plans, which are sorted by entry: rows that enter late share the longest prefix. Plans of one entry that one
 * batch does not hold become batches of their own, all of one size (the last plan is repeated), so that one graph serves all of them.
 * What others are compared with may be the first variant: its batch comes first.
 */
function batchesOf(plans: readonly Plan[], most: number): Plan[][] {
  // Without plans there is the base run.
  const batches: Plan[][] = plans.length === 0 ? [[]] : []
  let open: Plan[] | undefined
  for (const enters of new Set(plans.map((plan) => plan.enters))) {
    const alike = plans.filter((plan) => plan.enters === enters)
    if (open && open.length + alike.length <= most) {
      open.push(...alike)
      continue
    }
    const pieces = Math.ceil(alike.length / most)
    const size = Math.ceil(alike.length / pieces)
    for (let i = 0; i < pieces; i++) {
      const rows = alike.slice(i * size, (i + 1) * size)
      while (rows.length < size) rows.push(rows.at(-1)!)
      batches.push(rows)
    }
    open = pieces === 1 ? batches.at(-1) : undefined
  }
  const isFirst = (batch: Plan[]) => Number(batch.some(({ index }) => index === 0))
  return batches.sort((a, b) => isFirst(b) - isFirst(a))
}

/** Whether rows take over the base run's positions before their first edited one. */
function reuses(plans: readonly Plan[], length: number): boolean {
  return plans.reduce((sum, { start }) => sum + start, 0) >= REUSE_PAYS_FROM * plans.length * length
}

/** The metric of the base run and of every row of one batch. */
async function runBatch(
  model: Model,
  prompt: TokenizedPrompt,
  plans: readonly Plan[],
  metric: Metric,
  { signal, arena }: VariantsOptions & { readonly arena: boolean },
): Promise<number[]> {
  const length = prompt.ids.length
  const reusing = reuses(plans, length)
  const rows = plans.map(({ enters, start }) => ({ enters, start: reusing ? start : 0 }))
  // A traced edit may look at every position of its row, so nothing is left out for it.
  const traced = plans.some(({ edits }) => edits.some(({ edit }) => typeof edit === 'function'))
  const last = metric.positions === 'last'
  const needed = last && !traced ? [length - 1] : Array.from({ length }, (_, p) => p)
  const layout = staircaseLayout(model.config, prompt.ids, rows, needed)
  const edits = plans.flatMap((plan, row) => plan.edits.map((edit) => ({ ...edit, row })))
  const taps = new VariantTaps(layout, edits, length)
  const logits = layout.wholeRows(traceModel(tappedForward(model.config, model.weights, layout, taps)))
  const silent = edits.find((edit) => !taps.fired.has(edit))
  if (silent)
    throw new DiopterError(
      `The edit of ${silent.hook} did not fire: this model's forward pass never reaches that hook.`,
    )
  const order = layout.current()
  const tokens = tensor(prompt.ids, [1, length], 'int64').broadcast(order.length, length)
  const context = {
    prompts: order.map(() => 0),
    tokens,
    activation: (hook: string) => {
      throw new DiopterError(
        `The metric '${metric.name}' reads ${hook}; in variants a metric sees logits and tokens only.`,
      )
    },
  }
  const seen = last ? logits.slice(1, -1) : logits
  const value = evaluateMetric(metric, seen, context, false)
  const [result] = await model.engine.evaluate([value], {}, { weights: model.weights.stored, signal, arena })
  const values = new Array<number>(plans.length + 1)
  order.forEach((row, i) => {
    values[row + 1] = Number(result!.data[i])
  })
  return values
}

/** Where a variant's row enters, and the first position that it changes. */
function entryOf(edits: readonly Omit<PlacedEdit, 'row'>[], model: Model, length: number): StaircaseRow {
  let enters = Number.POSITIVE_INFINITY
  let start = length - 1
  for (const { hook, edit } of edits) {
    enters = Math.min(enters, hookEntry(hook, model.config.n_layers))
    const positions = typeof edit === 'function' ? undefined : edit.positions
    start = Math.min(start, ...(positions?.map((p) => (p < 0 ? p + length : p)) ?? [0]))
  }
  if (edits.length === 0) return { enters: entryOrder(model.config.n_layers - 1, 'post'), start: length - 1 }
  return { enters, start: Math.max(0, start) }
}

/** The last join before a hook, as a number along the forward pass. */
function hookEntry(hook: string, layers: number): number {
  const layer = layerOf(hook)
  if (layer === undefined) return /^hook_/.test(hook) ? -1 : entryOrder(layers - 1, 'post')
  return entryOrder(layer, joinBefore(hook.replace(/^blocks\.\d+\./, '')))
}

function joinBefore(name: string): Join {
  if (/^(mlp\.hook_post|hook_mlp_out|ln2_post\..*|hook_resid_post)$/.test(name)) return 'post'
  if (/^(ln2\..*|mlp\..*)$/.test(name)) return 'mlp'
  if (/^(attn\.hook_(z|result)|hook_attn_out|ln1_post\..*|hook_resid_mid)$/.test(name)) return 'z'
  return 'block'
}

/** Every variant's edits at single hooks, with their values; runs that give values are made once for all variants. */
async function placeEdits(
  model: Model,
  base: Prompt,
  variants: readonly Variant[],
  { prependBos, signal }: VariantsOptions,
): Promise<Omit<PlacedEdit, 'row'>[][]> {
  const needs = new Map<string, { prompts: readonly Prompt[]; hooks: Set<string> }>()
  const keyOf = (prompts: readonly Prompt[]) => JSON.stringify(prompts)
  const note = async (prompts: readonly Prompt[], hooks: readonly string[]): Promise<Record<string, Activation>> => {
    const need = needs.get(keyOf(prompts)) ?? { prompts, hooks: new Set<string>() }
    needs.set(keyOf(prompts), need)
    for (const hook of hooks) need.hooks.add(hook)
    throw new NeedsRun()
  }
  const matched = variants.map((variant) =>
    variant.map((edit) => ({ edit, hooks: matchNames(edit.hook, model.hookNames, 'The hook') })),
  )
  const resolveAll = async (captureRun: typeof note) =>
    Promise.all(
      matched.map((variant) => Promise.all(variant.map(({ edit, hooks }) => place(edit, hooks, [base], captureRun)))),
    )
  for (const { edit, hooks } of matched.flat()) {
    if (!('kind' in edit)) continue
    await resolveEdit(edit, hooks, [base], note).catch((error) => {
      if (!(error instanceof NeedsRun)) throw error
    })
  }
  const runs = new Map<string, Readonly<Record<string, Activation>>>()
  for (const [key, { prompts, hooks }] of needs) {
    const { captures } = await runModel(model, prompts, { capture: [...hooks], positions: 'none', prependBos, signal })
    runs.set(key, captures)
  }
  const placed = await resolveAll(async (prompts) => runs.get(keyOf(prompts))! as Record<string, Activation>)
  return placed.map((variant) => variant.flat())
}

/** Stops a dry resolution at the point where it asks for a run. */
class NeedsRun extends Error {}

async function place(
  edit: Variant[number],
  hooks: readonly string[],
  prompts: readonly Prompt[],
  captureRun: Parameters<typeof resolveEdit>[3],
): Promise<Omit<PlacedEdit, 'row'>[]> {
  if (!('kind' in edit)) return hooks.map((hook) => ({ hook, edit: edit.edit }))
  const resolved = await resolveEdit(edit, hooks, prompts, captureRun)
  return hooks.map((hook) => ({ hook, edit: resolved.get(hook)! }))
}

/**
 * An estimate of one row's live activations, whose positions are its own from `start` on: a few residual-sized and MLP-sized
 * tensors and scores at these, the keys and values of all, and its logits.
 */
function bytesPerRow({ config }: Model, length: number, start: number, metric: Metric): number {
  const token = 8 * config.d_model + 3 * config.d_mlp + 3 * config.n_heads * length
  const taken = 2 * config.n_key_value_heads * config.d_head
  const logits = (metric.positions === 'last' ? 1 : length) * config.d_vocab * 3
  return 4 * ((length - start) * token + start * taken + logits)
}
