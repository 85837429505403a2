import { constant, type Tensor } from '../../tensor/index.ts'
import type { Forward } from '../forward.ts'
import { addBias, contract } from './contract.ts'
import { norm } from './norm.ts'

/** What flows from block to block. */
export interface Stream {
  /** The residual stream [...tokens, d]. */
  readonly resid: Tensor
  /** Shortformer: position embeddings [...tokens, d], which queries and keys see and the residual stream does not. */
  readonly positions?: Tensor | undefined
}

/** The residual stream before the first block. */
export function embed(forward: Forward): Stream {
  const { config } = forward
  // [V, d] by tokens -> [...tokens, d]
  const rows = forward.weight('embed.W_E').gather(forward.tokens, 0)
  const resid = forward.hook('hook_embed', rows.mul(constant(config.embed_scale, rows.dtype)))
  if (config.positional_embedding_type !== 'standard' && config.positional_embedding_type !== 'shortformer') {
    return { resid }
  }
  const positions = forward.hook('hook_pos_embed', forward.positionRows(forward.weight('pos_embed.W_pos')))
  return config.positional_embedding_type === 'standard' ? { resid: resid.add(positions) } : { resid, positions }
}

/** Logits [...tokens, V] of the last residual stream. */
export function unembed(forward: Forward, resid: Tensor): Tensor {
  const { final_norm, logit_softcap } = forward.config
  const x = forward.hook('unembed.hook_in', final_norm ? norm(forward, 'ln_final', resid) : resid)
  const product = contract(x, 'd', forward.weight('unembed.W_U'), 'do', 'o')
  const logits = forward.hook('unembed.hook_out', addBias(forward, product, 'unembed.b_U'))
  return logit_softcap === null ? logits : softcap(logits, logit_softcap)
}

/** cap * tanh(x / cap): nearly x when small, never beyond the cap. */
export function softcap(x: Tensor, cap: number): Tensor {
  return x
    .mul(constant(1 / cap, x.dtype))
    .tanh()
    .mul(constant(cap, x.dtype))
}
