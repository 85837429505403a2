import type { Model } from '../../lab/index.ts'
import type { Forward } from '../../models/forward.ts'
import type { ModelConfig } from '../../models/index.ts'
import { einsum, type Tensor } from '../../tensor/index.ts'

/** How receivers of one kind read the residual stream: where it is, through which norm, and by which weights. */
export interface Reading {
  /** The number of layers for the logits. */
  readonly layer: number
  /** The residual stream before the norm, [k, P, d]. */
  readonly stream: string
  readonly norm: string
  /** Hooks that are linear in the normalised stream, with the weight and bias between them; null for the normalised stream itself. */
  readonly parts: readonly { readonly hook: string; readonly weight: string | null; readonly bias: string | null }[]
}

/** The readings of all receivers, in the order of `allReceivers`: one for a layer's queries, keys, values or MLP. */
export function allReadings({ config }: Pick<Model, 'config'>): Reading[] {
  const { n_layers, attn_only, gated_mlp, parallel_attn_mlp, shared_norm } = config
  const layers = Array.from({ length: n_layers }, (_, l): Reading[] => {
    const name = (suffix: string) => `blocks.${l}.${suffix}`
    const part = (hook: string, weight: string, bias: string) => ({
      hook: name(hook),
      weight: name(weight),
      bias: name(bias),
    })
    const attention = ['q', 'k', 'v'].map((letter): Reading => {
      const upper = letter.toUpperCase()
      return {
        layer: l,
        stream: name('hook_resid_pre'),
        norm: name('ln1'),
        parts: [part(`attn.hook_${letter}`, `attn.W_${upper}`, `attn.b_${upper}`)],
      }
    })
    const mlp: Reading = {
      layer: l,
      stream: name(parallel_attn_mlp ? 'hook_resid_pre' : 'hook_resid_mid'),
      norm: name(shared_norm ? 'ln1' : 'ln2'),
      parts: gated_mlp
        ? [
            part('mlp.hook_pre', 'mlp.W_gate', 'mlp.b_gate'),
            part('mlp.hook_pre_linear', 'mlp.W_in', 'mlp.b_pre_linear'),
          ]
        : [part('mlp.hook_pre', 'mlp.W_in', 'mlp.b_in')],
    }
    return [...attention, ...(attn_only ? [] : [mlp])]
  })
  const logits: Reading = {
    layer: n_layers,
    stream: `blocks.${n_layers - 1}.hook_resid_post`,
    norm: 'ln_final',
    parts: [{ hook: 'unembed.hook_in', weight: null, bias: null }],
  }
  return [...layers.flat(), logits]
}

/** Whether the model has the norm of a reading. */
export function isNormed({ normalization_type, final_norm }: ModelConfig, name: string): boolean {
  return normalization_type !== null && (name !== 'ln_final' || final_norm)
}

/** What a norm needs to be traced on its own. */
export function plainForward({ config, weights }: Model): Pick<Forward, 'config' | 'hook' | 'weight' | 'hasWeight'> {
  return { config, hook: (_, x) => x, weight: (name) => weights.tensor(name), hasWeight: (name) => weights.has(name) }
}

/** Of models whose queries and keys see positions that are not in the stream (shortformer): where those are. */
export function positionHooks({ config }: Pick<Model, 'config'>): string[] {
  return config.positional_embedding_type === 'shortformer' ? ['hook_pos_embed'] : []
}

/**
 * What a reading's hook holds when its receivers see the normalised streams `seen`, [n, receivers, P, d] with one per head (or one for all):
 * [n, P, H, dh] for heads, [n, P, ...] for MLPs and logits. `positions` [P, d] is what `positionHooks` hold.
 */
export function readBy(
  { config, weights }: Model,
  { hook, weight, bias }: Reading['parts'][number],
  seen: Tensor,
  positions: Tensor | null,
): Tensor {
  if (weight === null) return seen.squeeze(1)
  const x = positions !== null && /hook_[qk]$/.test(hook) ? seen.add(positions) : seen
  const heads = hook.endsWith('hook_q') ? config.n_heads : config.n_key_value_heads
  const [n, , length, width] = x.shape as [number, number, number, number]
  const product = hook.includes('.attn.')
    ? einsum('nhpd,hde->nphe', x.broadcast(n, heads, length, width), weights.tensor(weight))
    : einsum('npd,dm->npm', x.squeeze(1), weights.tensor(weight))
  return bias !== null && weights.has(bias) ? product.add(weights.tensor(bias)) : product
}
