import type { ReadoutContext } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { concat, full, type Tensor, tensor } from '../../tensor/index.ts'
import type { NamedToken } from '../shared/question.ts'
import { frozenNorm } from './frozen-norm.ts'
import type { Piece } from './residual-parts.ts'

/** The token whose logit is split, and the one whose logit is taken from it. */
export interface SplitLogit {
  readonly answer: NamedToken
  readonly wrong: NamedToken | null
}

/** Of the answer, minus that of the wrong token: x [..., V] to [..., 1]. */
export function answerDifference(x: Tensor, { answer, wrong }: SplitLogit): Tensor {
  const ids = tensor([answer.id, ...(wrong ? [wrong.id] : [])], undefined, 'int64')
  const chosen = x.gather(ids, x.rank - 1)
  const first = chosen.slice(x.rank - 1, 0, 1)
  return wrong ? first.sub(chosen.slice(x.rank - 1, 1)) : first
}

/**
 * What the last residual stream is multiplied with to give the logit difference, [n, d], with the final norm's scale held at this
 * run's value, and the constant that biases behind it add, [n, 1]. `weighed` is whether the norm's own weight acts.
 */
export function answerDirection(
  context: ReadoutContext,
  config: ModelConfig,
  split: SplitLogit,
  position: number,
  weighed = true,
): { readonly direction: Tensor; readonly constant: Tensor } {
  const rows = context.prompts.length
  const unembedding = answerDifference(context.weight('unembed.W_U'), split).transpose().broadcast(rows, config.d_model)
  const norm = frozenNorm(context, config, 'ln_final', position)
  let constant = full([rows, 1], 0)
  if (norm?.bias) constant = constant.add(unembedding.mul(norm.bias).sum(-1, true))
  if (context.hasWeight('unembed.b_U'))
    constant = constant.add(answerDifference(context.weight('unembed.b_U').unsqueeze(0), split))
  return { direction: norm ? norm.pullBack(unembedding, weighed) : unembedding, constant }
}

/** The products of all pieces' parts with a direction [n, d]: [n, c]. */
export function pieceProducts(context: ReadoutContext, pieces: readonly Piece[], direction: Tensor): Tensor {
  return concat(
    pieces.map((piece) =>
      piece.products ? piece.products(context, direction) : piece.vectors(context).mul(direction.unsqueeze(1)).sum(-1),
    ),
    1,
  )
}
