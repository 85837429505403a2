import type { WorkOptions } from '../../errors/index.ts'
import type { Model } from '../../lab/index.ts'
import { compositionReadout, compositionShares } from '../../methods/circuits/composition-in-use.ts'
import { ablation, compositionScores, headDetectors, pathPatching, rankPairs } from '../../methods/index.ts'
import { permutation, randomSource } from '../../random/index.ts'

/** What each way says of the last layer's heads, and of every pair of a first- and a last-layer head. */
export interface FourAnswers {
  /** Attention: prefix matching of the last layer's heads, and previous-token scores of the first layer's. */
  readonly prefixMatching: readonly number[]
  readonly previousToken: readonly number[]
  /** Resample ablation of a last-layer head: the share of the logit difference that goes with it. */
  readonly ablated: readonly number[]
  /** Path patching from a last-layer head to the logits: share of the difference between the prompts. */
  readonly toLogits: readonly number[]
  /** Path patching from a first-layer head into a last-layer head's keys, [first][last]: shares. */
  readonly intoKeys: readonly (readonly number[])[]
  /** Weights: K-composition in deviations above random heads, [first][last]. */
  readonly composition: readonly (readonly number[])[]
  /** Weights on real runs: K-composition in use, [first][last]: shares of the attention scores. */
  readonly inUse: readonly (readonly number[])[]
}

const TOKENS = 24
/** Where the prompt breaks off in the second copy. */
const LAST = 12

/**
 * Asks a model of at least two layers the same question in four ways, on random tokens that repeat: which token follows? In the
 * corrupted prompt the last token's first occurrence is another token, so that nothing follows it anywhere. With one layer the
 * first and the last are the same, and there are no pairs.
 */
export async function fourAnswers(
  model: Model,
  { seed, pairs: count, signal }: { readonly seed: number; readonly pairs: number } & WorkOptions,
): Promise<FourAnswers> {
  const { n_layers, n_heads } = model.config
  const last = n_layers - 1
  const pairs = repeatedPairs(model, count, seed)
  const { values: heads } = await headDetectors(model, [], { seed, signal })
  const { values: gone } = await ablation(
    model,
    pairs.map(({ clean, answer, wrong }) => ({ prompt: clean, answer, wrong })),
    {
      kind: 'resample',
      layers: [last],
      reference: repeatedPairs(model, 4, seed + 1).map(({ clean }) => clean),
      signal,
    },
  )
  const paths = async (senders: string[], receivers: string[]) => {
    const options = { senders, receivers, direction: 'corrupted_into_clean' as const, bothDirections: false, signal }
    return (await pathPatching(model, pairs, options)).values.shares as (number | null)[][]
  }
  const names = (layer: number) => Array.from({ length: n_heads }, (_, head) => `L${layer}H${head}`)
  const row = (grid: readonly (readonly (number | null)[])[]) => (grid[last] ?? []).map((x) => x ?? 0)
  const toLogits = await paths(names(last), ['logits'])
  const answers = {
    prefixMatching: row(heads.random.induction.scores),
    previousToken: (heads.random.previous.scores[0] ?? []).map((x) => x ?? 0),
    ablated: (gone.effect.flat() as (number | null)[]).map((x) => -(x ?? 0) / gone.base),
    toLogits: toLogits.map(([x]) => x ?? 0),
  }
  if (n_layers === 1) return { ...answers, intoKeys: [], composition: [], inUse: [] }
  const keys = await paths(
    names(0),
    names(last).map((name) => `${name}.k`),
  )
  const grid = <T>(read: (from: number, to: number) => T) =>
    names(0).map((_, from) => names(last).map((_, to) => read(from, to)))
  const ranked = rankPairs(await compositionScores(model, { seed, signal }), 'K', true)
  const { readout } = await model.run(
    pairs.map(({ clean }) => clean),
    { readout: compositionReadout(model.config), signal },
  )
  const used = compositionShares(model.config, readout.part!, readout.whole!).K
  const composed = (from: number, to: number) =>
    ranked.find(
      (pair) => pair.from.layer === 0 && pair.from.head === from && pair.to.layer === last && pair.to.head === to,
    )!
  return {
    ...answers,
    intoKeys: keys.map((list) => list.map((x) => x ?? 0)),
    composition: grid((from, to) => composed(from, to).z),
    inUse: grid((from, to) => used[0]![from]![last]![to]!),
  }
}

/** Clean: `s t0 .. t23 t0 .. t12`, answered t13. Corrupted: the first t12 is a token that comes nowhere else. */
function repeatedPairs(model: Model, count: number, seed: number) {
  const { d_vocab, d_vocab_out } = model.config
  // A toy model's start token has no logit.
  const start = d_vocab > d_vocab_out ? [d_vocab_out] : []
  return Array.from({ length: count }, (_, i) => {
    const random = randomSource(seed, 'repeated pair', i)
    const [other, ...tokens] = [...permutation(Math.min(d_vocab, d_vocab_out), random)].slice(0, TOKENS + 1)
    const again = tokens.slice(0, LAST + 1)
    const answer = tokens[LAST + 1]!
    const wrongs = tokens.filter((id) => id !== answer && id !== tokens[LAST])
    const wrong = wrongs[random.integer(wrongs.length)]!
    return {
      clean: [...start, ...tokens, ...again],
      corrupt: [...start, ...tokens.with(LAST, other!), ...again],
      answer,
      wrong,
    }
  })
}
