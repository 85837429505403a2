/**
 * Circuits from weights: what does each head look for, and what does it write, in tokens? (Elhage et al. 2021.)
 *
 * With E [V, d] what stands for each token in the stream (its embedding, or that with MLP 0's answer to it) after the head's own norm:
 *
 *     QK = (E W_Q + b_Q)(E W_K + b_K)' scale      how much each token attends to each     (keys less their mean over tokens)
 *     OV = E W_V W_O W_U                          what each token, attended to, raises    (logits less their mean over tokens)
 *
 * Both are V x V of rank d_head: they are factored through d_head x d_head matrices and never made. Reported per head: singular values
 * of W_Q W_K' and W_V W_O, and of the full circuits, whose singular directions are read as tokens; eigenvalues and the copying
 * score with two kinds of behaviour beside it; values for given tokens. For pairs of heads: Q-, K- and V-composition against heads of
 * the same spectra, the best rank-1 component, and what share of the later head's reading the earlier makes on real runs
 * (see composition.ts, composition-channels.ts, composition-in-use.ts).
 *
 * How it misleads: heads read more than tokens: positions, what earlier layers wrote, rotary angles (shown at one distance). A singular
 * direction is a direction of largest gain, not of use. The checks say how much of the real scores the QK circuit explains.
 * Singular values below a millionth of the largest are rounding.
 */
import type { Model, Prompt } from '../../lab/index.ts'
import { randomSource } from '../../random/index.ts'
import { stack, type Tensor } from '../../tensor/index.ts'
import { copyingScores } from '../heads/copying.ts'
import { repeatedRandomTokens } from '../heads/repeated-tokens.ts'
import { keepDone } from '../shared/keep-done.ts'
import type { MethodOptions } from '../shared/options.ts'
import { type NamedToken, withText } from '../shared/question.ts'
import { Meter, type MethodResult } from '../shared/result.ts'
import { indicesWithin } from '../shared/selection.ts'
import { circuitChecks } from './circuit-checks.ts'
import {
  type FactoredHeads,
  type HeadComposition,
  headCompositions,
  IN_USE,
  STANDS_OUT,
} from './circuit-compositions.ts'
import { factorProduct } from './circuit-factors.ts'
import { type HeadCircuit, readLayer, residualGrams } from './circuit-layer.ts'
import { type CircuitEmbedding, type LayerHeads, layerHeads, tokenReadings } from './circuit-weights.ts'
import { COMPOSITIONS, type Composition } from './composition.ts'
import { canDecompose, compositionReadout, compositionShares } from './composition-in-use.ts'
import { eigenvalueCopying } from './eigenvalue-copying.ts'

/** Which heads, and how tokens are read. */
export interface CircuitOptions extends MethodOptions {
  /** Only these, from 0; -1 is the last. All unless said. */
  readonly layers?: readonly number[]
  readonly heads?: readonly number[]
  /** `direct` unless said. */
  readonly embedding?: CircuitEmbedding
  /** Positions from a key to its query, for rotary models; 0, no rotation, unless said. */
  readonly distance?: number
  /** Singular directions of each full circuit; 3 unless said. */
  readonly directions?: number
  /** Tokens at each end of a direction; 5 unless said. */
  readonly topK?: number
}

/** What a head's weights say. */
export interface HeadCircuits {
  readonly layer: number
  readonly head: number
  readonly ov: HeadCircuit
  readonly qk: HeadCircuit
  /** Eigenvalues of W_V W_O that are not 0 by its rank, by falling size: [real, imaginary]. */
  readonly eigenvalues: readonly (readonly [number, number])[]
  readonly copying: {
    /** Sum of eigenvalues of W_E W_OV W_U over the sum of their sizes, and the same with centred logits. */
    readonly eigenvalue: number
    readonly centred: number
    /** Olsson's score on random tokens in real runs, -1 to 1; null where the context is too short for it. */
    readonly behavioural: number | null
    /** Share of random tokens whose own logit the OV circuit raises most among them. */
    readonly ownFirst: number
  }
  /** Correlation of QK circuit and real attention scores, less each query's mean; null where they do not vary. */
  readonly scoresExplained: number | null
  /** Correlation of the QK circuit at this distance and at others; null without rotary positions. */
  readonly distanceAgreement: number | null
}

/** What circuits give. */
export interface CircuitValues {
  readonly embedding: CircuitEmbedding
  readonly distance: number
  /** By falling size (Frobenius) of the full OV circuit. */
  readonly heads: readonly HeadCircuits[]
  /** The given tokens, of `pairs`. */
  readonly tokens: readonly NamedToken[]
  /** Centred copying scores of random heads. */
  readonly randomCopying: { readonly mean: number; readonly deviation: number }
  /** Pairs with a chosen head at either end: the first 20 by score, and the first 20 by rank-1 component. */
  readonly compositions: Readonly<Record<Composition, readonly HeadComposition[]>>
  /** Of all such pairs: those that only the mean direction makes stand out, and those in use that do not. */
  readonly suspicious: Readonly<Record<'byMean' | 'hidden', SuspiciousPairs>>
}

/** Pairs whose centred score does not stand out, though something else does. */
export interface SuspiciousPairs {
  readonly pairs: readonly (HeadComposition & { kind: Composition })[]
  /** The largest such number (deviations, or the share in use) among them, whether it is large or not; null without pairs of heads. */
  readonly largest: number | null
}

const SAMPLE = 128
const SEQUENCE = 48
const GIVEN = 40
const PAIRS = 20
/** Texts, or random sequences, on which composition in use is measured. */
const TEXTS = 16

/** Reads the circuits of all heads, or of those chosen; different tokens of the texts (the first 40) are those of `pairs`. */
export async function circuits(
  model: Model,
  texts: readonly Prompt[],
  options: CircuitOptions = {},
): Promise<MethodResult<CircuitValues>> {
  const { embedding = 'direct', distance = 0, seed = 0, signal, edits, prependBos } = options
  const { config } = model
  const meter = new Meter(model)
  const chosenLayers = indicesWithin(options.layers, config.n_layers, 'Layer')
  const chosenHeads = indicesWithin(options.heads, config.n_heads, 'Head')
  const tokenized = texts.map((text) => model.tokenize(text, prependBos).ids)
  const vocabulary = Math.min(config.d_vocab, config.d_vocab_out)
  const given = [...new Set(tokenized.flat())].filter((id) => id < vocabulary).slice(0, GIVEN)
  const behaviour = await observe(model, tokenized, meter, options)
  const random = randomSource(seed, 'circuit tokens')
  const sample = [...new Set(Array.from({ length: SAMPLE }, () => random.integer(vocabulary)))]
  const ids = { given, sample, sequence: behaviour.sequence }
  const readings = await tokenReadings(model, embedding, { signal })
  const eigen = await eigenvalueCopying(model, { seed, signal })
  const read = await keepDone(chosenLayers, 'layers', options, {
    work: (layer) => readLayer(model, readings, layer, chosenHeads, ids, behaviour.scores[layer]!, options),
  })
  const heads = read.results
    .flat()
    .map((one) => ({
      ...one,
      copying: {
        eigenvalue: eigen.scores[one.layer]![one.head]!,
        centred: eigen.centred[one.layer]![one.head]!,
        behavioural: behaviour.copying === null ? null : behaviour.copying[one.layer]![one.head]!,
        ownFirst: one.ownFirst,
      },
    }))
    .map(({ ownFirst, ...one }) => one)
    .sort((a, b) => size(b.ov.fullSingularValues) - size(a.ov.fullSingularValues))
  const isChosen = ({ layer, head }: HeadComposition['from']) =>
    chosenLayers.includes(layer) && chosenHeads.includes(head)
  const all = config.n_layers < 2 || !read.complete ? { Q: [], K: [], V: [] } : await composed()
  const listed = COMPOSITIONS.flatMap((kind) => all[kind].map((pair) => ({ ...pair, kind })))
  const values: CircuitValues = {
    embedding,
    distance,
    heads,
    tokens: given.map((id) => withText(model, id)),
    randomCopying: eigen.random,
    compositions: record((kind) => topPairs(all[kind])),
    suspicious: {
      byMean: suspiciousPairs(listed, ({ rawZ }) => rawZ, STANDS_OUT),
      hidden: suspiciousPairs(listed, ({ used }) => used ?? 0, IN_USE),
    },
  }
  return {
    values,
    checks: circuitChecks(model, values, read.complete, (edits ?? []).length),
    cost: meter.cost,
    edits: meter.edits,
    provenance: behaviour.provenance,
    complete: read.complete,
  }

  async function composed() {
    const factored = await factorLayers(model, signal)
    const pairs = await headCompositions(model, factored, behaviour.used, { seed, signal })
    return record((kind) => pairs[kind].filter(({ from, to }) => isChosen(from) || isChosen(to)))
  }
}

const size = (values: readonly number[]) => Math.hypot(...values)
const record = <T>(make: (kind: Composition) => T): Record<Composition, T> => ({
  Q: make('Q'),
  K: make('K'),
  V: make('V'),
})

function topPairs(pairs: readonly HeadComposition[]): HeadComposition[] {
  const by = (key: 'centredZ' | 'channelZ' | 'used') =>
    [...pairs].sort((a, b) => (b[key] ?? 0) - (a[key] ?? 0)).slice(0, PAIRS)
  return [...new Set([...by('centredZ'), ...by('channelZ'), ...by('used')])]
}

/** Real attention scores on one sequence (the first 48 tokens of the first text, or random ones), and behavioural copying. */
async function observe(model: Model, texts: readonly (readonly number[])[], meter: Meter, options: CircuitOptions) {
  const { config } = model
  const { seed = 0, signal, edits } = options
  const fits = config.n_ctx >= 5
  const repeated = fits ? repeatedRandomTokens(model, { examples: 4, seed }) : undefined
  const once =
    repeated &&
    repeated.sequences[0]!.slice(0, repeated.sequences[0]!.length - (repeated.repeats - 1) * repeated.period)
  const sequence = (texts[0] ?? once ?? [0]).slice(0, Math.min(SEQUENCE, config.n_ctx))
  const hooks = Array.from({ length: config.n_layers }, (_, layer) => `blocks.${layer}.attn.hook_attn_scores`)
  const run = await meter.run([sequence], { capture: hooks, positions: 'none', edits, signal })
  return {
    sequence,
    scores: hooks.map((hook) => run.captures[hook]!.data as Float32Array),
    copying: repeated ? await meanCopying(model, repeated, meter, options) : null,
    used: await usedShares(model, texts.length > 0 ? texts : (repeated?.sequences ?? [sequence]), meter, options),
    provenance: run.provenance,
  }
}

/** Composition in use over the beginnings of these texts. */
async function usedShares(model: Model, texts: readonly Prompt[], meter: Meter, { edits, signal }: CircuitOptions) {
  const { config } = model
  if (!canDecompose(config)) return null
  const prompts = texts
    .slice(0, TEXTS)
    .map((ids) => (ids as readonly number[]).slice(0, Math.min(SEQUENCE, config.n_ctx)))
  const { readout } = await meter.run(prompts, { edits, signal, readout: compositionReadout(config) })
  return compositionShares(config, readout.part!, readout.whole!)
}

async function meanCopying(
  model: Model,
  repeated: ReturnType<typeof repeatedRandomTokens>,
  meter: Meter,
  options: CircuitOptions,
) {
  const examples = await copyingScores(model, repeated, { edits: options.edits, signal: options.signal }, meter)
  return examples[0]!.map((heads, layer) =>
    heads.map((_, head) => examples.reduce((sum, one) => sum + one[layer]![head]!, 0) / examples.length),
  )
}

/** All heads' circuits in the residual stream, as they are and without the mean over d_model where layer norms take it away. */
async function factorLayers(model: Model, signal: AbortSignal | undefined): Promise<FactoredHeads> {
  const { n_layers, n_heads, d_head, normalization_type } = model.config
  const raw = Array.from({ length: n_layers }, (_, layer) => layerHeads(model, layer, 0))
  const centre = (x: Tensor) => x.sub(x.mean(1, true))
  const centred = raw.map(({ q, k, v, o }) => ({ q: centre(q), k: centre(k), v: centre(v), o: o.sub(o.mean(2, true)) }))
  const factor = async (layers: readonly Pick<LayerHeads, 'q' | 'k' | 'v' | 'o'>[]) => {
    const outputs = layers.map((heads) => stack(residualGrams(heads)))
    const results = await model.engine.evaluate(outputs, {}, { weights: model.weights.stored, signal })
    return results.map(({ data }) =>
      Array.from({ length: n_heads }, (_, head) => {
        const at = (which: number) => {
          const start = (which * n_heads + head) * d_head ** 2
          return (data as Float64Array).subarray(start, start + d_head ** 2)
        }
        return { ov: factorProduct(at(2), at(3), d_head), qk: factorProduct(at(0), at(1), d_head) }
      }),
    )
  }
  const own = await factor(raw)
  const isCentred = normalization_type?.startsWith('LN') ?? false
  return { raw: own, centred: isCentred ? await factor(centred) : own, weights: isCentred ? centred : raw }
}

/** Pairs that reach `least` by `measure`, the first of them, though their centred score does not stand out. */
function suspiciousPairs(
  pairs: SuspiciousPairs['pairs'],
  measure: (pair: HeadComposition) => number,
  least: number,
): SuspiciousPairs {
  const ordinary = pairs.filter(({ centredZ }) => centredZ < STANDS_OUT)
  const found = ordinary.filter((pair) => measure(pair) >= least).sort((a, b) => measure(b) - measure(a))
  return {
    pairs: found.slice(0, PAIRS),
    largest: ordinary.length === 0 ? null : Math.max(...ordinary.map(measure)),
  }
}
