import type { TensorValue } from '../../engine/index.ts'
import type { ModelConfig } from '../../models/config.ts'
import { rotaryTables } from '../../models/parts/rotary.ts'
import { concat, type DType, input, type Shape, type Tensor, type TypedArray } from '../../tensor/index.ts'
import type { KeyValueCache } from '../key-value-cache.ts'
import { type Layout, maskValues } from './layout.ts'

/** A value that a decoding step computes anew for its token's place. */
export interface StepFeed {
  readonly name: string
  readonly value: (step: StepPlace) => TensorValue
}

/** Where a decoding step stands. */
export interface StepPlace {
  /** The newest tokens, one per row. */
  readonly tokens: readonly number[]
  /** The cache slot (physical position) that the new tokens will take. */
  readonly slot: number
  readonly cache: KeyValueCache
}

/** The absolute position of a row's new token. */
export function positionOf({ slot, cache }: StepPlace, row: number): number {
  return slot - cache.padding[row]!
}

/**
 * The layout of one decoding step: tokens are [B, 1], keys are everything in the cache and then the new token, at index
 * `capacity`. Shapes do not depend on the position, so one compiled graph serves every step.
 */
export interface StepLayout extends Layout {
  readonly capacity: number
  readonly feeds: readonly StepFeed[]
  /** An input whose values every step gives anew; asked for again by its name, it is the same one. */
  readonly feed: (name: string, shape: Shape, dtype: DType, data: (step: StepPlace) => TypedArray) => Tensor
  /** Absolute position of each row's new token, int64 [B, 1]. */
  readonly positions: () => Tensor
  /** The new keys and values of every layer, each [B, Hk, 1, dh]: what the cache takes up. */
  readonly fresh: { k: Tensor; v: Tensor }[]
}

export function stepLayout(config: ModelConfig, batch: number, capacity: number): StepLayout {
  const feeds: StepFeed[] = []
  const inputs = new Map<string, Tensor>()
  const feed: StepLayout['feed'] = (name, shape, dtype, data) => {
    const known = inputs.get(name)
    if (known) return known
    feeds.push({ name, value: (step) => ({ dtype, shape, data: data(step) }) })
    const made = input(name, shape, dtype)
    inputs.set(name, made)
    return made
  }
  // A row that has ended goes on with the others, and may leave the context: it stays at its last position.
  const positionsOf = (step: StepPlace) =>
    step.cache.padding.map((_, row) => Math.min(positionOf(step, row), config.n_ctx - 1))
  const tokens = feed('step.tokens', [batch, 1], 'int64', ({ tokens }) => BigInt64Array.from(tokens, BigInt))
  // Made only when something reads them: rotary models without edits do not.
  const positions = () =>
    feed('step.positions', [batch, 1], 'int64', (step) => BigInt64Array.from(positionsOf(step), BigInt))
  const half = config.rotary_dim / 2
  const rotary =
    config.positional_embedding_type === 'rotary'
      ? {
          cos: feed('step.cos', [batch, 1, 1, half], 'float32', (step) => rotaryTables(config, positionsOf(step)).cos),
          sin: feed('step.sin', [batch, 1, 1, half], 'float32', (step) => rotaryTables(config, positionsOf(step)).sin),
        }
      : undefined
  const mask = (window: number | null): Tensor => {
    const keys = capacity + 1
    const values = ({ slot, cache }: StepPlace) =>
      maskValues(batch * keys, (i) => {
        const [row, key] = [Math.floor(i / keys), i % keys]
        if (key === capacity) return true // the new token itself
        return key < slot && key >= cache.padding[row]! && (window === null || slot - key < window)
      })
    return feed(`step.mask.${window}`, [batch, 1, 1, keys], 'float32', values)
  }
  const fresh: { k: Tensor; v: Tensor }[] = []
  return {
    capacity,
    feeds,
    feed,
    positions,
    fresh,
    tokens,
    positionRows: (table) => table.gather(positions(), 0),
    rotary: () => rotary!,
    join: (_, __, live) => [...live],
    narrow: (_, live) => [...live],
    keys(layer, k, v) {
      // [B, 1, Hk, dh] -> [B, Hk, 1, dh]; the cache lies that way, so that a step only appends and copies nothing else.
      fresh[layer] = { k: k.transpose(0, 2, 1, 3), v: v.transpose(0, 2, 1, 3) }
      const past = (what: 'k' | 'v') =>
        feed(
          `past.${what}.${layer}`,
          [batch, config.n_key_value_heads, capacity, config.d_head],
          'float32',
          ({ cache }) => cache.layers[layer]![what],
        )
      const all = (what: 'k' | 'v') => concat([past(what), fresh[layer]![what]], 2).transpose(0, 2, 1, 3)
      return { k: all('k'), v: all('v') }
    },
    queries: (q) => q,
    fromRows: (z) => z,
    mask: (layer) => mask(config.attn_windows[layer]!),
  }
}
