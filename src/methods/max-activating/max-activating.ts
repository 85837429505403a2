/**
 * Examples by activation: in what text is a neuron, a head or a direction active?
 *
 * Runs: the texts in sequences of `sequenceLength` tokens, in batches that compute nothing but the one number per token that is
 * asked for. Kept are, in bounded memory: the sequences with the largest activations (one position each), and sequences drawn with equal
 * chances, which give the quantiles and examples from every part of the distribution.
 *
 *     minimal example: the shortest end of the context for which   activation(shortened) >= 0.8 activation(in context)
 *
 * found by running the ends of the top examples again, 1, 2, 3, 4, 6, 8 ... tokens (attention must stay on the same token). Start tokens
 * count as no text.
 *
 * Papers: Karpathy et al. 1506.02078; Elhage et al. 2022, "Softmax Linear Units" (quantiles beside the maximum); Nanda 2022, "Neuroscope";
 * Bolukbasi et al. 2104.07143 (how maximal examples mislead); Foote et al. 2304.12918 (truncation to minimal examples).
 *
 * How it misleads: maximal examples show the far end of a distribution, from which most of what a unit does is far away: it may
 * mean one thing there and others below. They show what the corpus has: another corpus has other maxima. And activity is no
 * effect: what later layers make of it is another question.
 */
import { DiopterError, throwIfAborted } from '../../errors/index.ts'
import type { Model, Provenance } from '../../lab/index.ts'
import { permutation, type RandomSource, randomSource } from '../../random/index.ts'
import type { Check } from '../shared/checks.ts'
import { unlessCancelled } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { batches, type Corpus, corpusSequences } from './activation-corpus.ts'
import { type Activated, ActivationSample, quantile, shareBelow } from './activation-sample.ts'
import { type ActivationTarget, readTarget, resolveTarget, targetReadout } from './activation-target.ts'
import { exampleChecks, type QuantileInterval, quantileInterval, TOP_SHARE } from './max-activating-checks.ts'
import { keptAgain, type MinimalExample, minimalExamples } from './minimal-example.ts'
import { type Typicality, typicality } from './typical-examples.ts'

/** What is read, from how much text, and how many examples are kept. */
export interface MaxActivatingOptions extends MethodOptions, ActivationTarget {
  /** At most this many tokens of the texts; 262144 unless said. */
  readonly tokens?: number | undefined
  /** Longer texts are cut into sequences of this many tokens; 128 unless said, less where the context is shorter. */
  readonly sequenceLength?: number | undefined
  /** Top examples, at most one of a sequence; 10 unless said. */
  readonly topK?: number | undefined
  /** Examples from each lower part of the distribution; 3 unless said. */
  readonly perBand?: number | undefined
}

/** A sequence with the target's number at every token. */
export interface ActivatingExample {
  /** The text that it comes from. */
  readonly text: string
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
  readonly activations: readonly number[]
  /** Where the activation is that the example stands for. */
  readonly position: number
  readonly activation: number
  /** Share of the sampled positions that are below it. */
  readonly quantile: number
  /** Of attention: the position that is attended to. */
  readonly key: number | null
  /** Of top examples with a positive activation, where the work was not cancelled before. */
  readonly minimal: MinimalExample | null
}

/** Examples whose activations lie between two quantiles. */
export interface ExampleBand {
  readonly from: number
  readonly to: number
  readonly examples: readonly ActivatingExample[]
}

/** What examples by activation give. */
export interface MaxActivatingValues {
  readonly target: {
    readonly name: string
    readonly hook: string
    readonly layer: number | null
    readonly head: number | null
    readonly index: number | null
  }
  readonly texts: number
  readonly sequences: number
  readonly tokens: number
  /** Sequences that quantiles and lower bands come from: all, or as many drawn with equal chances. */
  readonly sampled: number
  readonly quantiles: readonly { readonly share: number; readonly value: number }[]
  /** Where the top percent begins, with its 95 % interval. */
  readonly topPercent: QuantileInterval
  /** By falling activation. */
  readonly top: readonly ActivatingExample[]
  /** From the top percent down. */
  readonly bands: readonly ExampleBand[]
  /** Shares of variance that the token, and the position, explain; null where nothing varies. */
  readonly explained: { readonly token: number | null; readonly position: number | null }
  readonly typicality: Typicality | null
}

const TOKENS = 262_144
const LENGTH = 128
const TOP = 10
const PER_BAND = 3
/** Sequences that are kept for quantiles: with 128 tokens each, 2 MiB of numbers. */
const SAMPLED = 2048
/** Tokens of one batch; fewer where partial results are wanted. */
const BATCH = 4096
const SHARES = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, TOP_SHARE, 0.999, 1]
const BANDS = [
  [TOP_SHARE, 1],
  [0.9, TOP_SHARE],
  [0.5, 0.9],
  [0, 0.5],
] as const

/**
 * Finds where a neuron, head or direction is most active in a corpus, with examples from the rest of its distribution; cancelled, it
 * keeps the batches that are done. Throws as `resolveTarget` does, and for a corpus without a token.
 */
export async function maxActivating(
  model: Model,
  corpus: Corpus,
  options: MaxActivatingOptions,
): Promise<MethodResult<MaxActivatingValues>> {
  const { seed = 0, signal, onProgress, edits, prependBos, onPartial, tokens = TOKENS } = options
  const target = resolveTarget(model, options)
  const meter = new Meter(model)
  const random = (what: string) => randomSource(seed, 'max activating', what)
  const sample = new ActivationSample(options.topK ?? TOP, SAMPLED, random('sample'))
  const length = Math.min(options.sequenceLength ?? LENGTH, model.config.n_ctx)
  const readout = targetReadout(target)
  let provenance: Provenance | undefined
  let complete = true
  const assemble = (found: Partial<Found>, checks: readonly Check[], complete: boolean) => ({
    values: valuesOf(model, target, sample, found, options.perBand ?? PER_BAND, random('bands')),
    checks,
    cost: meter.cost,
    edits: meter.edits,
    provenance: provenance!,
    complete,
  })
  for await (const batch of batches(corpusSequences(model, corpus, length, prependBos), BATCH)) {
    if (sample.tokens >= tokens) break
    try {
      throwIfAborted(signal)
      const run = await meter.run(
        batch.map(({ ids }) => ids),
        { edits, signal, readout },
      )
      provenance ??= { ...run.provenance, seed }
      for (const [row, sequence] of batch.entries()) {
        const from = target.isAttention ? 1 : sequence.start
        if (sample.tokens < tokens && from < sequence.ids.length)
          sample.add({ ...sequence, ...readTarget(run.readout, row), from })
      }
    } catch (error) {
      if (!signal?.aborted || sample.sequences === 0) throw error
      complete = false
      break
    }
    onProgress?.({ phase: 'reading', done: Math.min(tokens, sample.tokens), total: tokens, unit: 'tokens' })
    if (sample.tokens > 0) onPartial?.(assemble({}, [], false))
  }
  if (sample.tokens === 0) throw new DiopterError('The texts hold no token to look at; give some text.')
  const sorted = sample.sorted()
  const found = complete ? await unlessCancelled(signal, look) : null
  const checks = exampleChecks(sample, sorted, found?.kept ?? null, found ? found.typical : 'cancelled')
  return assemble(found ?? {}, checks, found !== null)

  async function look(): Promise<Found> {
    const minimal = await minimalExamples(target, sample.top, options, meter)
    const kept = await keptAgain(target, sample.top, minimal, options, meter)
    const from = quantile(sorted, TOP_SHARE)
    return { minimal, kept, typical: await typicality(model, target, sample, from, random('typical'), options, meter) }
  }
}

/** What is found once the corpus is read. */
interface Found {
  readonly minimal: readonly (MinimalExample | null)[]
  readonly kept: readonly number[]
  readonly typical: Typicality | null
}

function valuesOf(
  model: Model,
  { name, hook, layer, head, index }: ReturnType<typeof resolveTarget>,
  sample: ActivationSample,
  { minimal, typical }: Partial<Found>,
  perBand: number,
  random: RandomSource,
): MaxActivatingValues {
  const sorted = sample.sorted()
  const example = (
    { sequence, position, activation }: Activated,
    shortened?: MinimalExample | null,
  ): ActivatingExample => ({
    text: sequence.name,
    ids: sequence.ids,
    tokens: sequence.ids.map((id) => model.tokenizer?.tokenText(id) ?? String(id)),
    activations: Array.from(sequence.values),
    position,
    activation,
    quantile: shareBelow(sorted, activation),
    key: sequence.keys ? sequence.keys[position]! : null,
    minimal: shortened ?? null,
  })
  return {
    target: { name, hook, layer, head: head ?? null, index: index ?? null },
    texts: sample.texts,
    sequences: sample.sequences,
    tokens: sample.tokens,
    sampled: sample.sample.length,
    quantiles: SHARES.map((share) => ({ share, value: quantile(sorted, share) })),
    topPercent: quantileInterval(sample, sorted, TOP_SHARE),
    top: sample.top.map((one, i) => example(one, minimal?.[i])),
    bands: BANDS.map(([from, to]) => ({
      from,
      to,
      examples: drawnBetween(sample, [quantile(sorted, from), quantile(sorted, to)], perBand, random).map((one) =>
        example(one),
      ),
    })),
    explained: { token: sample.byToken.explained(), position: sample.byPosition.explained() },
    typicality: typical ?? null,
  }
}

/** Up to `count` sampled positions with activations in a range, each of another sequence, by falling activation. */
function drawnBetween(
  { sample }: ActivationSample,
  [low, high]: readonly [number, number],
  count: number,
  random: RandomSource,
): Activated[] {
  const found: Activated[] = []
  for (const place of permutation(sample.length, random)) {
    if (found.length === count) break
    const sequence = sample[place]!
    const inside: number[] = []
    for (let p = sequence.from; p < sequence.ids.length; p++)
      if (sequence.values[p]! >= low && sequence.values[p]! <= high) inside.push(p)
    if (inside.length === 0) continue
    const position = inside[random.integer(inside.length)]!
    found.push({ sequence, position, activation: sequence.values[position]! })
  }
  return found.sort((a, b) => b.activation - a.activation)
}
