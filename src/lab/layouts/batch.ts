import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig } from '../../models/config.ts'
import { rotaryTables } from '../../models/parts/rotary.ts'
import { concat, type Tensor, tensor } from '../../tensor/index.ts'
import { isAttentionHook } from '../hook-names.ts'
import { type Layout, maskValues, memo } from './layout.ts'

/** Prompts of one length, in rows that lie together. */
export interface LengthGroup {
  readonly first: number
  readonly count: number
  readonly length: number
  /** The number of each row's prompt, as it was given. */
  readonly prompts: readonly number[]
}

/**
 * Whole prompts, [B, P], padded on the left to the longest. Rows are sorted by length, so that the prompts of one length
 * are neighbours and their logical view is a plain slice.
 */
export interface BatchLayout extends Layout {
  /** The number of each row's prompt, as it was given. */
  readonly order: readonly number[]
  readonly groups: readonly LengthGroup[]
  readonly batch: number
  readonly length: number
  readonly padded: boolean
  /** The part of a hook's tensor that belongs to a group, with logical positions: [n, length, ...] or [n, H, length, length]. */
  readonly logical: (hook: string, x: Tensor, group: LengthGroup) => Tensor
  /** Puts the groups' logical parts back into a tensor of x's shape; padding keeps x's values. */
  readonly physical: (hook: string, x: Tensor, parts: readonly Tensor[]) => Tensor
}

/** The layout of a run over whole prompts. Throws when a prompt is longer than the model's context. */
export function batchLayout(config: ModelConfig, prompts: readonly (readonly number[])[]): BatchLayout {
  prompts.forEach(({ length }, i) => {
    if (length > config.n_ctx)
      throw new DiopterError(`Prompt ${i} has ${length} tokens; this model's context is ${config.n_ctx}.`)
  })
  const order = prompts.map((_, i) => i).sort((a, b) => prompts[a]!.length - prompts[b]!.length || a - b)
  const lengths = order.map((i) => prompts[i]!.length)
  const [batch, length] = [prompts.length, Math.max(...lengths)]
  const padding = lengths.map((n) => length - n)
  const padded = padding.some((n) => n > 0)
  const groups = lengthGroups(lengths, order)
  const positions = new Int32Array(batch * length)
  const ids = new BigInt64Array(batch * length)
  order.forEach((prompt, row) => {
    prompts[prompt]!.forEach((id, p) => {
      ids[row * length + padding[row]! + p] = BigInt(id)
      positions[row * length + padding[row]! + p] = p
    })
  })
  const rotary = memo(() => {
    const { cos, sin } = rotaryTables(config, padded ? positions : positions.subarray(0, length))
    const shape = [...(padded ? [batch] : []), length, 1, config.rotary_dim / 2]
    return { cos: tensor(cos, shape), sin: tensor(sin, shape) }
  })
  const mask = memo((window: number | null) => {
    const rows = padded ? batch : 1
    const sees = (i: number) => {
      const [row, query, key] = [Math.floor(i / (length * length)), Math.floor(i / length) % length, i % length]
      // A padding query sees itself, so that its softmax stays finite; nothing real ever sees it.
      const real = key >= padding[row]! || key === query
      return key <= query && real && (window === null || query - key < window)
    }
    return tensor(maskValues(rows * length * length, sees), [rows, 1, length, length])
  })
  const paddingOf = (group: LengthGroup) => length - group.length
  return {
    order,
    groups,
    batch,
    length,
    padded,
    tokens: tensor(ids, [batch, length], 'int64'),
    positionRows: (table) =>
      padded
        ? table.gather(tensor(positions, [batch, length], 'int32'), 0)
        : table.slice(0, 0, length).unsqueeze(0).broadcast(batch, length, table.shape[1]!),
    rotary: () => rotary(0),
    join: (_, __, live) => [...live],
    narrow: (_, live) => [...live],
    keys: (_, k, v) => ({ k, v }),
    queries: (q) => q,
    fromRows: (z) => z,
    mask: (layer) => mask(config.attn_windows[layer]!),
    logical(hook, x, group) {
      const rows = x.slice(0, group.first, group.first + group.count)
      if (isAttentionHook(hook)) return rows.slice(2, paddingOf(group)).slice(3, paddingOf(group))
      return rows.slice(1, paddingOf(group))
    },
    physical(hook, x, parts) {
      const rows = parts.map((part, i) => {
        const group = groups[i]!
        const own = x.slice(0, group.first, group.first + group.count)
        const pad = paddingOf(group)
        if (!isAttentionHook(hook)) return concat([own.slice(1, 0, pad), part], 1)
        const right = concat([own.slice(2, pad).slice(3, 0, pad), part], 3)
        return concat([own.slice(2, 0, pad), right], 2)
      })
      return concat(rows, 0)
    },
  }
}

function lengthGroups(lengths: readonly number[], order: readonly number[]): LengthGroup[] {
  return [...new Set(lengths)].map((length) => {
    const first = lengths.indexOf(length)
    const count = lengths.lastIndexOf(length) + 1 - first
    return { first, count, length, prompts: order.slice(first, first + count) }
  })
}
