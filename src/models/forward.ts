import type { Tensor } from '../tensor/index.ts'
import type { ModelConfig } from './config.ts'

/**
 * The places of a block where rows that differ from the base run may enter the batch (see ARCHITECTURE.md, "Variants").
 * A variant enters at the last of these that precedes its first edited hook.
 */
export const JOINS = ['block', 'z', 'mlp', 'post'] as const
export type Join = (typeof JOINS)[number]

/**
 * What a model description asks of whoever traces it. Models never know whether they describe a plain run, a padded
 * batch, a decoding step over a cache or a staircase of variants: "tokens" below is [B, P] in the first three and a packed
 * list [N] in the last, so parts address features by axes counted from the end.
 */
export interface Forward {
  readonly config: ModelConfig
  /** Token ids, int64 [...tokens]. */
  readonly tokens: Tensor
  /** A weight in TransformerLens's shape (a view of what is stored); throws when the model has none of that name. */
  weight(name: string): Tensor
  /** Whether the model has that weight (biases are optional). */
  hasWeight(name: string): boolean
  /** Names an activation: captures, edits and gradients act here. Returns the tensor to go on with. */
  hook(name: string, x: Tensor): Tensor
  /** Whether anything asks for this hook; costly hooks (`hook_result`) are traced only then. */
  wants(name: string): boolean

  /** Rows of a learned position table [n_ctx, d] for the tokens: [...tokens, d]. */
  positionRows(table: Tensor): Tensor
  /** Cosines and sines for rotating: each broadcastable to [...tokens, heads, rotary_dim / 2]. */
  rotary(layer: number): { cos: Tensor; sin: Tensor }

  /** Lets variants enter: every live tensor [...tokens, ...] comes back with the joined tokens. */
  join(at: Join, layer: number, live: readonly Tensor[]): Tensor[]
  /** After keys and values: drops tokens whose queries nobody needs (only in the last layer). */
  narrow(layer: number, live: readonly Tensor[]): Tensor[]

  /** Keys and values [...tokens, Hk, dh] as rows [R, K, Hk, dh], with what a cache holds before them. */
  keys(layer: number, k: Tensor, v: Tensor): { k: Tensor; v: Tensor }
  /** Queries [...tokens, H, dh] as rows [R, Q, H, dh]. */
  queries(q: Tensor): Tensor
  /** Rows [R, Q, H, dh] back to tokens [...tokens, H, dh]. */
  fromRows(z: Tensor): Tensor
  /** Additive mask (0 or -inf), broadcastable to scores [R, H, Q, K]: causal, padding, and the layer's window. */
  mask(layer: number): Tensor
}
