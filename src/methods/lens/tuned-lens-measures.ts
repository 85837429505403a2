import type { Model } from '../../lab/index.ts'
import type { Runner } from '../heads/head-patterns.ts'
import type { MethodOptions } from '../shared/options.ts'
import { divergence, lensHooks, type Translate } from './lens-readout.ts'

/** A lens on some text, in nats per row: `embed`, `0`, ... to the last block. */
export interface LensMeasures {
  /** KL(final || row), mean over tokens. */
  readonly kl: readonly number[]
  /** KL of the distributions averaged over tokens, final || row. */
  readonly bias: readonly number[]
}

/** Several lenses on the same text. */
export interface MeasuredText {
  readonly tokens: number
  readonly lenses: Readonly<Record<string, LensMeasures>>
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
  const marginals = new Float64Array((columns + 1) * d_vocab_out)
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
        kl[column]! += of(`kl ${column}`)[0]!
        addTo(marginals, column * d_vocab_out, of(`marginal ${column}`))
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
      },
    ] as const
  })
  return {
    tokens,
    lenses: Object.fromEntries(measured),
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
