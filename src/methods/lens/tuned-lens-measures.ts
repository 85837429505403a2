import type { Model } from '../../lab/index.ts'
import type { Runner } from '../heads/head-patterns.ts'
import type { MethodOptions } from '../shared/options.ts'
import { studentQuantile } from '../shared/statistics.ts'
import { divergence, lensHooks, type Translate } from './lens-readout.ts'

/** A lens on some text, in nats per row: `embed`, `0`, ... to the last block. */
export interface LensMeasures {
  /** KL(final || row), mean over tokens. */
  readonly kl: readonly number[]
  /** KL of the distributions averaged over tokens, final || row. */
  readonly bias: readonly number[]
  /** The bias that a row without bias has at most, 95 % of the time, in so few sequences; null for a single one. */
  readonly chance: readonly number[] | null
}

/** KL(final || row) of one lens, mean over each sequence's tokens: [row][sequence], in nats. */
export type SequenceKl = readonly (readonly number[])[]

/** Several lenses on the same text. */
export interface MeasuredText {
  readonly tokens: number
  readonly lenses: Readonly<Record<string, LensMeasures>>
  /** Sequences in one order for all lenses. */
  readonly bySequence: Readonly<Record<string, SequenceKl>>
  /** The model's own distribution averaged over all tokens, [V]. */
  readonly marginal: Float64Array
  /** Mean of sum p log p over tokens: minus the entropy. */
  readonly negativeEntropy: number
}

/** Numbers of one run's logits, all rows and lenses. */
const MOST_LOGITS = 2 ** 25

/** Measures lenses on sequences, run by run: means over all tokens. Throws when it is cancelled. */
export async function measureLenses(
  model: Model,
  sequences: readonly (readonly number[])[],
  lenses: Readonly<Record<string, Translate>>,
  runner: Runner,
  { edits, signal }: MethodOptions,
): Promise<MeasuredText> {
  const { hooks } = lensHooks(model.config)
  const { d_vocab_out } = model.config
  const names = Object.keys(lenses)
  const columns = names.length * hooks.length
  const kl = new Float64Array(columns)
  const klBySequence: number[][] = Array.from({ length: columns }, () => [])
  const marginals = new Float64Array((columns + 1) * d_vocab_out)
  // Of every token, sums over sequences of squared differences between final and row.
  const squares = new Float64Array(columns * d_vocab_out)
  let [tokens, negativeEntropy] = [0, 0]
  for (const batch of batches(sequences, Math.floor(MOST_LOGITS / ((columns + 1) * d_vocab_out)))) {
    const run = await runner.run(batch, {
      edits,
      signal,
      readout: {
        reads: hooks,
        trace({ activation, logits, unembed }) {
          const final = logits.logSoftmax()
          const rows = names.flatMap((name) =>
            hooks.map((hook, row) => unembed(lenses[name]!(activation(hook), row)).logSoftmax()),
          )
          return Object.fromEntries([
            ['entropy', final.exp().mul(final).sum([1, 2])],
            ['final', final.exp().sum(1)],
            ...rows.flatMap((row, i) => [
              [`kl ${i}`, divergence(final, row).sum(1)],
              [`marginal ${i}`, row.exp().sum(1)],
            ]),
          ])
        },
      },
    })
    batch.forEach((ids, i) => {
      const of = (name: string) => run.readout[name]![i]!.data as Float32Array
      tokens += ids.length
      negativeEntropy += of('entropy')[0]!
      addTo(marginals, columns * d_vocab_out, of('final'))
      for (let column = 0; column < columns; column++) {
        const sum = of(`kl ${column}`)[0]!
        kl[column]! += sum
        klBySequence[column]!.push(sum / ids.length)
        const row = of(`marginal ${column}`)
        addTo(marginals, column * d_vocab_out, row)
        const final = of('final')
        for (let v = 0; v < d_vocab_out; v++) squares[column * d_vocab_out + v]! += (final[v]! - row[v]!) ** 2
      }
    })
  }
  const marginalOf = (column: number) =>
    marginals.subarray(column * d_vocab_out, (column + 1) * d_vocab_out).map((sum) => sum / tokens)
  const marginal = marginalOf(columns)
  const measured = names.map((name, n) => {
    const own = hooks.map((_, row) => n * hooks.length + row)
    return [
      name,
      {
        kl: own.map((column) => kl[column]! / tokens),
        bias: own.map((column) => marginalDivergence(marginal, marginalOf(column))),
        chance:
          sequences.length < 2
            ? null
            : own.map((column) => {
                const moments = squares.subarray(column * d_vocab_out, (column + 1) * d_vocab_out)
                return chanceBias(marginal, marginalOf(column), moments, tokens, sequences.length)
              }),
      },
    ] as const
  })
  return {
    tokens,
    lenses: Object.fromEntries(measured),
    bySequence: Object.fromEntries(
      names.map((name, n) => [name, klBySequence.slice(n * hooks.length, (n + 1) * hooks.length)]),
    ),
    marginal,
    negativeEntropy: negativeEntropy / tokens,
  }
}

/** KL(final || one distribution for all tokens), mean over the text's tokens, in nats. */
export function constantKl({ negativeEntropy, marginal }: MeasuredText, guess: Float64Array): number {
  return negativeEntropy - marginal.reduce((sum, p, i) => sum + p * Math.log(Math.max(guess[i]!, TINY)), 0)
}

/** Probabilities below this count as this. */
const TINY = 1e-30

function marginalDivergence(p: Float64Array, q: Float64Array): number {
  return p.reduce((sum, own, i) => sum + (own > 0 ? own * Math.log(own / Math.max(q[i]!, TINY)) : 0), 0)
}

/**
 * The KL of marginals that chance gives: a small difference d of probabilities p and q has the KL sum d^2 / (p + q), and the mean
 * of d over n sequences varies by what it varies between them. `squares` are sums over sequences of (tokens x d)^2. Few
 * sequences know little of that: hence Student's quantile, squared, which is exact where one direction varies.
 */
function chanceBias(p: Float64Array, q: Float64Array, squares: Float64Array, tokens: number, n: number): number {
  const expected = p.reduce((sum, own, v) => {
    const whole = own - q[v]!
    const variance = (n / (n - 1)) * Math.max(0, squares[v]! / tokens ** 2 - whole ** 2 / n)
    return sum + variance / Math.max(own + q[v]!, TINY)
  }, 0)
  return expected * studentQuantile(n - 1) ** 2
}

function addTo(sums: Float64Array, offset: number, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) sums[offset + i]! += values[i]!
}

/** Sequences of one length together, at most `tokens` tokens (or one sequence) at a time. */
function batches(sequences: readonly (readonly number[])[], tokens: number): (readonly number[])[][] {
  const result: (readonly number[])[][] = []
  for (const ids of [...sequences].sort((a, b) => a.length - b.length)) {
    const last = result.at(-1)
    if (last && last[0]!.length === ids.length && (last.length + 1) * ids.length <= tokens) last.push(ids)
    else result.push([ids])
  }
  return result
}
