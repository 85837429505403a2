import type { Model, Prompt, Readout } from '../../lab/index.ts'
import { crossEntropy } from '../../tensor/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import { bootstrapMeans, type Interval, mean } from '../shared/statistics.ts'
import type { Runner } from './head-patterns.ts'
import type { RepeatedTokens } from './repeated-tokens.ts'

/** Every next token of one prompt of P tokens, [P - 1]: entry i is about token i + 1. */
export interface NextTokens {
  /** Cross-entropy in nats. */
  readonly losses: readonly number[]
  /** Whether it was the most likely one. */
  readonly hits: readonly boolean[]
}

/** Computes `losses` and `hits`, [n, P - 1], inside a run; read them with `readNextTokens`. */
export function nextTokenReadout(): Readout {
  return {
    reads: [],
    trace({ logits, tokens }) {
      const [before, targets] = [logits.slice(1, 0, -1), tokens.slice(1, 1)]
      return { losses: crossEntropy(before, targets), hits: before.argmax(-1).equal(targets).cast('float32') }
    },
  }
}

/** What `nextTokenReadout` computed of one prompt. */
export function readNextTokens(
  readout: Readonly<Record<string, readonly { readonly data: ArrayLike<number | bigint> }[]>>,
  prompt: number,
): NextTokens {
  return {
    losses: Array.from(readout.losses![prompt]!.data, Number),
    hits: Array.from(readout.hits![prompt]!.data, (x) => Number(x) === 1),
  }
}

/** Loss of every next token of every prompt. Throws for prompts of a single token. */
export async function nextTokens(
  model: Model,
  prompts: readonly Prompt[],
  { edits, prependBos, signal }: MethodOptions = {},
  runner: Runner = model,
): Promise<NextTokens[]> {
  const run = await runner.run(prompts, { edits, prependBos, signal, readout: nextTokenReadout() })
  return prompts.map((_, i) => readNextTokens(run.readout, i))
}

/** A mean over examples with its 95% bootstrap interval. */
export interface MeanWithInterval extends Interval {
  readonly mean: number
}

/** How well a model uses that random tokens repeat. */
export interface RepeatedTokenLoss {
  /** Mean loss of the first copy's tokens, in nats: about ln of the number of tokens when they are random. */
  readonly first: MeanWithInterval
  /** Of the second copy's tokens after its first one, whose place could not be known. */
  readonly second: MeanWithInterval
  /** Share of these that were the most likely next token. */
  readonly secondAccuracy: MeanWithInterval
}

/** The losses of the first and the second copy, over all sequences. */
export function repeatedTokenLoss(
  { startToken, period }: RepeatedTokens,
  all: readonly NextTokens[],
  seed = 0,
): RepeatedTokenLoss {
  // Token j of the sequence is entry j - 1.
  const start = startToken === null ? 0 : 1
  const first = all.map(({ losses }) => mean(losses.slice(start, start + period - 1)))
  const [from, to] = [start + period, start + 2 * period - 1]
  const second = all.map(({ losses }) => mean(losses.slice(from, to)))
  const hits = all.map(({ hits }) => mean(hits.slice(from, to).map(Number)))
  return {
    first: withInterval(first, seed),
    second: withInterval(second, seed),
    secondAccuracy: withInterval(hits, seed),
  }
}

/** How much better tokens are predicted late in a context than early. */
export interface InContextScore extends MeanWithInterval {
  /** Positions of the tokens whose losses are compared. */
  readonly early: number
  readonly late: number
}

/**
 * The in-context-learning score: mean over prompts of loss(token `late`) - loss(token `early`), in nats; negative when
 * what stands before helps. Unless said, tokens 50 and 500 of 512, in proportion to the shortest prompt (Olsson et al. 2209.11895).
 */
export function inContextScore(
  all: readonly NextTokens[],
  { early, late, seed = 0 }: { readonly early?: number; readonly late?: number; readonly seed?: number } = {},
): InContextScore {
  const length = Math.min(...all.map(({ losses }) => losses.length + 1))
  const places = {
    early: early ?? Math.max(1, Math.round((50 / 512) * length)),
    late: late ?? Math.min(length - 1, Math.round((500 / 512) * length)),
  }
  const scores = all.map(({ losses }) => losses[places.late - 1]! - losses[places.early - 1]!)
  return { ...withInterval(scores, seed), ...places }
}

function withInterval(values: readonly number[], seed: number): MeanWithInterval {
  const [interval] = bootstrapMeans(
    values.map((x) => [x]),
    seed,
  )
  return { mean: mean(values), ...interval! }
}
