import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import {
  type ComposedPair,
  type Composition,
  compositionScores,
  rankPairs,
} from '../../methods/circuits/composition.ts'
import { headDetectors, type ScoredHead } from '../../methods/heads/head-detectors.ts'
import {
  type RepeatedTokens,
  type RepeatedTokensOptions,
  repeatedRandomTokens,
} from '../../methods/heads/repeated-tokens.ts'

/** A head's place. */
export interface Head {
  readonly layer: number
  readonly head: number
}

/** The heads that make up induction. */
export interface Circuit {
  readonly induction: readonly Head[]
  /** Heads of earlier layers that attend to the previous token. */
  readonly previousToken: readonly Head[]
  /** Heads of earlier layers that attend to the token two back, by which induction heads can match two tokens. */
  readonly twoBack: readonly Head[]
}

/** What weights and attention of a finished model say about its circuit. */
export interface CircuitMeasures {
  /** All heads by falling score, with the score on shuffled tokens (none for copying). */
  readonly prefixMatching: readonly ScoredHead[]
  readonly copying: readonly ScoredHead[]
  /** Pairs of an earlier and a later head by falling score; empty with one layer. */
  readonly composition: Readonly<Record<Composition, readonly ComposedPair[]>>
}

/** Scores heads on repeated random tokens 0 .. vocabulary - 1 after the start token, and pairs of heads by their weights. */
export async function measureCircuit(
  model: Model,
  vocabulary: number,
  { seed, ...options }: WorkOptions & { readonly seed: number },
): Promise<CircuitMeasures> {
  const { values } = await headDetectors(model, [], { ...options, ...repeatedTokens(model, vocabulary, seed) })
  const composition =
    model.config.n_layers === 1 ? undefined : await compositionScores(model, { seed, signal: options.signal })
  const ranked = (kind: Composition) => (composition ? rankPairs(composition, kind) : [])
  return {
    prefixMatching: values.ranking.induction,
    copying: values.ranking.copying,
    composition: { Q: ranked('Q'), K: ranked('K'), V: ranked('V') },
  }
}

/** Random tokens of the text's vocabulary, which lacks the start token only, four times after the start token. */
function repeatedTokens({ config }: Model, vocabulary: number, seed: number): RepeatedTokensOptions {
  const tokens = Array.from({ length: vocabulary }, (_, token) => token)
  return { seed, tokens, startToken: vocabulary, period: Math.min(25, Math.floor((config.n_ctx - 1) / 4)), repeats: 4 }
}

/** The sequences on which `measureCircuit` scores heads. */
export function repeatedTokensOf(model: Model, vocabulary: number, seed: number): RepeatedTokens {
  return repeatedRandomTokens(model, repeatedTokens(model, vocabulary, seed))
}

/** Whether a head is one of several. */
export function isAmong({ layer, head }: Head, heads: readonly Head[]): boolean {
  return heads.some((one) => one.layer === layer && one.head === head)
}

/** Numbers for bars: the strongest key composition, whether it joins the circuit, and what induction heads copy. */
export function circuitScalars(
  { prefixMatching, copying, composition }: CircuitMeasures,
  { induction, previousToken }: Circuit,
): Record<string, number> {
  const [strongest] = composition.K
  const joins = ({ from, to }: ComposedPair) => isAmong(from, previousToken) && isAmong(to, induction)
  const ofCircuit = (kind: Composition) => composition[kind].find(joins)?.z ?? Number.NaN
  const copied = copying.filter((head) => isAmong(head, induction)).map(({ score }) => score)
  return {
    bestPrefixShuffled: prefixMatching[0]!.shuffled ?? Number.NaN,
    leastInductionCopying: copied.length === 0 ? Number.NaN : Math.min(...copied),
    strongestKeyCompositionIsInduction: strongest && joins(strongest) ? 1 : 0,
    keyCompositionZ: strongest?.z ?? Number.NaN,
    /** The circuit's strongest pair, read as queries and as values. */
    queryCompositionZ: ofCircuit('Q'),
    valueCompositionZ: ofCircuit('V'),
  }
}
