import type { Model, PromptArray, Readout } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { stack, type Tensor } from '../../tensor/index.ts'
import { type LikelyToken, likelyTokens } from '../shared/likely-tokens.ts'

/** The lens at one layer and position. */
export interface LensReading {
  /** Most probable first. */
  readonly top: readonly LikelyToken[]
  /** Place, from 0, of the model's final top token in this layer's ranking. */
  readonly rank: number
  /** KL(final || this layer), in nats. */
  readonly kl: number
  /** In nats. */
  readonly entropy: number
}

/** What a row's residual stream [..., d] becomes before the final norm; `row` counts from 0, the embeddings. */
export type Translate = (resid: Tensor, row: number) => Tensor

/** The residual streams that a lens reads, and their names: `embed` (before block 0), then the block that a row comes after. */
export function lensHooks({ n_layers }: ModelConfig): { readonly hooks: string[]; readonly layers: string[] } {
  const blocks = Array.from({ length: n_layers }, (_, l) => l)
  return {
    hooks: ['blocks.0.hook_resid_pre', ...blocks.map((l) => `blocks.${l}.hook_resid_post`)],
    layers: ['embed', ...blocks.map(String)],
  }
}

/** Reads every row of every prompt through the final norm and unembedding; see `lensReadings`. */
export function lensReadout(config: ModelConfig, topK: number, translate: Translate = (resid) => resid): Readout {
  const { hooks } = lensHooks(config)
  return {
    reads: hooks,
    trace({ activation, logits, unembed }) {
      const final = logits.logSoftmax()
      const finalTop = final.argmax().unsqueeze(-1) // [n, P, 1]
      const finalMarginal = final.exp().mean(1) // [n, V]
      const rows = hooks.map((hook, row) => {
        const scores = unembed(translate(activation(hook), row)).logSoftmax() // [n, P, V]
        const top = scores.topK(topK)
        const own = scores.gatherElements(finalTop)
        return {
          ids: top.indices,
          logProbabilities: top.values,
          rank: own.less(scores).cast('float32').sum(-1),
          kl: divergence(final, scores),
          entropy: scores.exp().mul(scores).sum(-1).neg(),
          marginalKl: divergence(finalMarginal.maximum(TINY).log(), scores.exp().mean(1).maximum(TINY).log()),
          furthest: scores.sub(final).abs().max([1, 2]),
        }
      })
      const all = (name: keyof (typeof rows)[number]): Tensor =>
        stack(
          rows.map((row) => row[name]),
          1,
        )
      return {
        ids: all('ids'),
        logProbabilities: all('logProbabilities'),
        rank: all('rank'),
        kl: all('kl'),
        entropy: all('entropy'),
        marginalKl: all('marginalKl'),
        furthest: rows.at(-1)!.furthest,
      }
    },
  }
}

/** Keeps the logarithm of a probability that underflowed finite. */
const TINY = 1e-38

/** KL(p || q) over the last axis, of log-probabilities. */
export function divergence(p: Tensor, q: Tensor): Tensor {
  return p.exp().mul(p.sub(q)).sum(-1)
}

/** What `lensReadout` gave for one prompt, or several. */
export type LensRead = Readonly<Record<string, readonly PromptArray[]>>

/** The readings of one prompt, [row][position]. */
export function lensReadings(model: Model, read: LensRead, topK: number): LensReading[][] {
  const values = (name: string) => read[name]![0]!.data
  const [rows, positions] = read.rank![0]!.shape as [number, number]
  const [ids, logProbabilities, rank, kl, entropy] = ['ids', 'logProbabilities', 'rank', 'kl', 'entropy'].map(values)
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: positions }, (_, position) => {
      const cell = row * positions + position
      const top = likelyTokens(model, ids!, logProbabilities!, cell, topK)
      return { top, rank: Number(rank![cell]), kl: Number(kl![cell]), entropy: Number(entropy![cell]) }
    }),
  )
}
