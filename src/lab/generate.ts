import type { TensorValue } from '../engine/index.ts'
import { DiopterError, throwIfAborted, type WorkOptions } from '../errors/index.ts'
import { traceModel } from '../models/parts/model.ts'
import type { Tensor } from '../tensor/index.ts'
import type { DecodeStream } from '../tokenizer/decode.ts'
import type { Activation } from './arrays.ts'
import { BatchTaps, type PlannedEdit } from './batch-taps.ts'
import type { Edits, Prompt } from './edits.ts'
import { isAttentionHook, matchNames } from './hook-names.ts'
import { KeyValueCache } from './key-value-cache.ts'
import { type BatchLayout, batchLayout } from './layouts/batch.ts'
import { type StepLayout, type StepPlace, stepLayout } from './layouts/step.ts'
import { hookAxes, logicalActivation } from './logical.ts'
import type { Model } from './model.ts'
import type { TokenizedPrompt } from './prompts.ts'
import { type EditReport, type Provenance, reportEdits } from './provenance.ts'
import { planEdits } from './resolve-edits.ts'
import { runModel } from './run.ts'
import { type SamplingOptions, sampler, samples } from './sampling.ts'
import { StepTaps } from './step-taps.ts'
import { tappedForward } from './tapped-forward.ts'

/** How a continuation is chosen, ended, edited and read; see `Model.generate`. */
export interface GenerateOptions extends SamplingOptions, WorkOptions {
  /** The most new tokens per prompt. */
  readonly tokens: number
  /** Texts that end a continuation; they are not part of it. */
  readonly stop?: readonly string[]
  /** Whether a start or end token ends a continuation; true unless said otherwise. */
  readonly stopAtSpecial?: boolean
  readonly edits?: Edits
  /** Hooks whose activations are returned, of the prompt and of every step. */
  readonly capture?: string | readonly string[]
  /** Overrides the start token that the tokenizer's own post-processor gives; acts on texts, not on token ids. */
  readonly prependBos?: boolean
  /**
   * Called for every new token with the text that it completes (what may become a stop text is held back), and with id null
   * when the end of a continuation gives more text. Put together, these texts are the continuation's.
   */
  readonly onToken?: (token: { prompt: number; id: number | null; text: string }) => void
}

/** One prompt's continuation. */
export interface Continuation {
  readonly prompt: TokenizedPrompt
  readonly ids: readonly number[]
  /** The new text; null without a tokenizer. */
  readonly text: string | null
  readonly stoppedBy: 'length' | 'special token' | 'stop text' | 'context' | 'cancelled'
}

/** What `Model.generate` gives back. */
export interface GenerateOutput {
  readonly continuations: readonly Continuation[]
  /** By hook: the prompt's activation first, then one of a single position per step (all rows, finished ones too). */
  readonly captures: Readonly<Record<string, readonly Activation[]>>
  /** Keys and values of all tokens that were read. */
  readonly cache: KeyValueCache
  readonly edits: readonly EditReport[]
  readonly provenance: Provenance
}

const SMALLEST_CAPACITY = 64
/** The cache has room for all tokens asked for from the start, up to this many; beyond, it grows while they come. */
const LARGEST_FIRST_CAPACITY = 1024

/**
 * Continues prompts; see `Model.generate`. On abort, what was generated so far is returned.
 * Throws for options that contradict each other, and edits that no token asked for can reach.
 */
export async function generate(
  model: Model,
  prompts: readonly Prompt[],
  options: GenerateOptions,
): Promise<GenerateOutput> {
  const { signal, onProgress } = options
  if (!(Number.isInteger(options.tokens) && options.tokens >= 0))
    throw new DiopterError(`tokens: ${options.tokens} must be a whole number from 0.`)
  if (options.stop?.some((text) => text === '')) throw new DiopterError('stop: an empty text would end everything.')
  if (options.stop?.length && !model.tokenizer)
    throw new DiopterError('stop: this model has no tokenizer.json, so its tokens have no text to stop at.')
  throwIfAborted(signal)
  const tokenized = prompts.map((prompt) => tokenizeOrStart(model, prompt, options.prependBos))
  const ids = tokenized.map((prompt) => prompt.ids)
  const layout = batchLayout(model.config, ids)
  const rows = layout.order.map((i) => new Row(model, tokenized[i]!, i, options))
  const capture = typeof options.capture === 'string' ? [options.capture] : (options.capture ?? [])
  const captured = [...new Set(capture.flatMap((pattern) => matchNames(pattern, model.hookNames, 'The hook')))]
  const edits = await planEdits(options.edits, model.hookNames, ids, async (sources, hooks) => {
    const { captures } = await runModel(model, sources, {
      capture: hooks,
      positions: 'none',
      prependBos: options.prependBos,
      signal,
    })
    return captures
  })
  // The last new token is chosen and never read.
  const read = Math.min(layout.length + Math.max(0, options.tokens - 1), model.config.n_ctx)
  for (const { edit, pattern } of edits) requireReachable(edit, pattern, read)

  const padding = layout.order.map((prompt) => layout.length - ids[prompt]!.length)
  const limit = Math.min(layout.length + options.tokens, model.config.n_ctx + Math.max(...padding))
  const first = Math.max(layout.length + 1, Math.min(limit, LARGEST_FIRST_CAPACITY))
  let cache = new KeyValueCache(model.config, capacityFor(first), layout.order, padding)
  const captures: Record<string, Activation[]> = Object.fromEntries(captured.map((name) => [name, []]))
  let logits = await prefill(model, layout, edits, captured, cache, captures, signal)
  let step: DecodingStep | undefined
  const started = Date.now()
  try {
    for (let done = 0; done < options.tokens; done++) {
      const vocabulary = logits.length / rows.length
      rows.forEach((row, i) => {
        row.accept(logits.subarray(i * vocabulary, (i + 1) * vocabulary))
      })
      onProgress?.({
        phase: 'generating',
        done: done + 1,
        total: options.tokens,
        unit: 'tokens',
        etaSeconds: ((Date.now() - started) / 1000 / (done + 1)) * (options.tokens - done - 1),
      })
      if (done === options.tokens - 1) break
      rows.forEach((row, i) => {
        if (cache.length - padding[i]! >= model.config.n_ctx) row.end('context')
        else if (signal?.aborted) row.end('cancelled')
      })
      if (rows.every((row) => row.stoppedBy !== undefined)) break
      if (cache.length >= cache.capacity) cache = cache.grown(model.config, capacityFor(cache.length + 1))
      if (step?.capacity !== cache.capacity) {
        step?.release()
        step = new DecodingStep(model, cache, edits, captured)
      }
      logits = await step.run(
        rows.map((row) => row.last),
        cache,
        captures,
      )
    }
  } finally {
    step?.release()
  }
  const continuations = new Array<Continuation>(rows.length)
  for (const row of rows) continuations[row.index] = row.finish()
  return {
    continuations,
    captures,
    cache,
    edits: reportEdits(edits),
    provenance: model.provenance({ prompts: tokenized, seed: samples(options) ? (options.seed ?? 0) : null }),
  }
}

/** An empty text starts from the start token, also where the tokenizer does not put it first by itself. */
function tokenizeOrStart(model: Model, prompt: Prompt, prependBos: boolean | undefined): TokenizedPrompt {
  const { tokenizer } = model
  if (prompt !== '' || prependBos !== undefined || !tokenizer || tokenizer.encode('').ids.length > 0)
    return model.tokenize(prompt, prependBos)
  return model.tokenize(prompt, true)
}

/** Powers of two, so that runs of nearby lengths share a compiled step. */
function capacityFor(needed: number): number {
  let capacity = SMALLEST_CAPACITY
  while (capacity < needed) capacity *= 2
  return capacity
}

/** Throws when all positions of an edit lie behind the `read` tokens that will be read at most. */
function requireReachable(edit: PlannedEdit['edit'], pattern: string, read: number): void {
  if (typeof edit === 'function' || !edit.positions?.every((position) => position >= read)) return
  throw new DiopterError(
    `The edit of ${pattern} asks for positions ${edit.positions.join(', ')}; at most ${read} tokens will be read (0..${read - 1}).`,
  )
}

/** Runs the prompts, fills the cache, and gives the last logits, [B * V]. */
async function prefill(
  model: Model,
  layout: BatchLayout,
  edits: readonly PlannedEdit[],
  captured: readonly string[],
  cache: KeyValueCache,
  captures: Record<string, Activation[]>,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const keep: Tensor[] = []
  const taps = new BatchTaps(layout, edits, new Set(captured), new Set(), true)
  const watching = {
    ...layout,
    keys(layer: number, k: Tensor, v: Tensor) {
      keep[2 * layer] = k.transpose(0, 2, 1, 3)
      keep[2 * layer + 1] = v.transpose(0, 2, 1, 3)
      return { k, v }
    },
  }
  const logits = traceModel(tappedForward(model.config, model.weights, watching, taps)).get(':', -1)
  const outputs = [logits, ...keep, ...captured.map((name) => taps.recorded.get(name)!)]
  const results = await model.engine.evaluate(outputs, {}, { weights: model.weights.stored, signal })
  for (let layer = 0; layer < model.config.n_layers; layer++) {
    cache.write(
      layer,
      results[1 + 2 * layer]!.data as Float32Array,
      results[2 + 2 * layer]!.data as Float32Array,
      layout.length,
    )
  }
  cache.length = layout.length
  captured.forEach((name, i) => {
    captures[name]!.push(logicalActivation(name, results[1 + keep.length + i]!, layout))
  })
  return results[0]!.data as Float32Array
}

/** The compiled step for one cache capacity. */
class DecodingStep {
  readonly capacity: number
  private readonly model: Model
  private readonly layout: StepLayout
  private readonly taps: StepTaps
  private readonly captured: readonly string[]
  private readonly program: ReturnType<Model['engine']['compile']>

  constructor(model: Model, cache: KeyValueCache, edits: readonly PlannedEdit[], captured: readonly string[]) {
    this.model = model
    this.capacity = cache.capacity
    this.captured = captured
    this.layout = stepLayout(model.config, cache.batch, cache.capacity)
    this.taps = new StepTaps(this.layout, edits, new Set(captured), cache.prompts)
    const logits = traceModel(tappedForward(model.config, model.weights, this.layout, this.taps)).get(':', -1)
    const fresh = this.layout.fresh.flatMap(({ k, v }) => [k, v])
    this.program = model.engine.compile([logits, ...fresh, ...captured.map((name) => this.taps.recorded.get(name)!)], {
      weights: model.weights.stored,
    })
  }

  async run(
    tokens: readonly number[],
    cache: KeyValueCache,
    captures: Record<string, Activation[]>,
  ): Promise<Float32Array> {
    const place: StepPlace = { tokens, slot: cache.length, cache }
    const feeds = Object.fromEntries(this.layout.feeds.map(({ name, value }) => [name, value(place)]))
    const results = await this.program.run(feeds)
    this.taps.countFirings(place)
    for (let layer = 0; layer < this.model.config.n_layers; layer++) {
      cache.write(layer, results[1 + 2 * layer]!.data as Float32Array, results[2 + 2 * layer]!.data as Float32Array, 1)
    }
    const offset = 1 + 2 * this.model.config.n_layers
    this.captured.forEach((name, i) => {
      captures[name]!.push(stepActivation(name, results[offset + i]!, place))
    })
    cache.length++
    return results[0]!.data as Float32Array
  }

  release(): void {
    this.program.release()
  }
}

/** A step's activation in the order of the prompts; keys of attention hooks are each row's own tokens so far. */
function stepActivation(name: string, value: TensorValue, { slot, cache }: StepPlace): Activation {
  const { batch, prompts } = cache
  const size = value.data.length / batch
  const attention = isAttentionHook(name)
  const keys = slot + 1
  const heads = attention ? value.shape[1]! : 0
  const width = attention ? heads * keys : size
  const data = new Float32Array(batch * width).fill(Number.NaN)
  const keyLengths = new Array<number>(batch)
  prompts.forEach((prompt, row) => {
    keyLengths[prompt] = slot + 1 - cache.padding[row]!
    const from = (value.data as Float32Array).subarray(row * size, (row + 1) * size)
    if (!attention) {
      data.set(from, prompt * width)
      return
    }
    // [H, 1, capacity + 1] -> [H, 1, keys]: the row's filled slots, then the new token, which lies at the end.
    const padding = cache.padding[row]!
    for (let head = 0; head < heads; head++) {
      const source = head * (cache.capacity + 1)
      const target = prompt * width + head * keys
      data.set(from.subarray(source + padding, source + slot), target)
      data[target + slot - padding] = from[source + cache.capacity]!
    }
  })
  const shape = attention ? [batch, heads, 1, keys] : value.shape
  const lengths = prompts.map(() => 1)
  const own = attention ? { keyLengths } : {}
  return { name, axes: hookAxes(name, shape.length), shape, dtype: 'float32', data, lengths, ...own }
}

/** One prompt while it is continued. */
class Row {
  readonly index: number
  last = 0
  stoppedBy: Continuation['stoppedBy'] | undefined
  private readonly ids: number[] = []
  private text = ''
  /** Characters of the text that `onToken` has been given. */
  private told = 0
  private readonly prompt: TokenizedPrompt
  private readonly stream: DecodeStream | undefined
  private readonly special: ReadonlySet<number>
  private readonly options: GenerateOptions
  private readonly choose: (logits: Float32Array) => number

  constructor(model: Model, prompt: TokenizedPrompt, index: number, options: GenerateOptions) {
    const { tokenizer } = model
    this.index = index
    this.prompt = prompt
    this.options = options
    this.stream = tokenizer?.decodeStream({ prompt: prompt.ids })
    const special = options.stopAtSpecial === false ? [] : [tokenizer?.bosId, tokenizer?.eosId]
    this.special = new Set(special.filter((id) => typeof id === 'number'))
    // Every prompt has its own stream of chance, which does not depend on the others'.
    this.choose = sampler({ ...options, seed: (options.seed ?? 0) + Math.imul(index, 0x85ebca6b) })
  }

  /** Takes the next token from its logits [V]. */
  accept(logits: Float32Array): void {
    if (this.stoppedBy !== undefined) return
    const id = this.choose(logits)
    this.last = id
    if (this.special.has(id)) {
      this.end('special token')
      return
    }
    this.ids.push(id)
    this.text += this.stream?.push(id) ?? ''
    const stops = this.options.stop ?? []
    const found = stops.map((stop) => this.text.indexOf(stop)).filter((at) => at >= 0)
    if (found.length > 0) {
      this.text = this.text.slice(0, Math.min(...found))
      this.stoppedBy = 'stop text'
    }
    const held = this.stoppedBy === undefined ? beginning(this.text, stops) : 0
    this.tell(id, this.text.length - held)
  }

  /** Ends the continuation, unless it has ended. */
  end(reason: Continuation['stoppedBy']): void {
    if (this.stoppedBy !== undefined) return
    this.stoppedBy = reason
    this.text += this.stream?.end() ?? ''
    if (this.told < this.text.length) this.tell(null, this.text.length)
  }

  finish(): Continuation {
    this.end('length')
    const text = this.stream ? this.text : null
    return { prompt: this.prompt, ids: this.ids, text, stoppedBy: this.stoppedBy! }
  }

  private tell(id: number | null, upTo: number): void {
    const text = this.text.slice(this.told, upTo)
    this.told = upTo
    this.options.onToken?.({ prompt: this.index, id, text })
  }
}

/** How many characters at the end of a text are the beginning of one of the stop texts. */
function beginning(text: string, stops: readonly string[]): number {
  const lengths = stops.map((stop) => {
    for (let n = Math.min(stop.length - 1, text.length); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n
    return 0
  })
  return Math.max(0, ...lengths)
}
