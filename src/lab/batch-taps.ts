import type { Tensor } from '../tensor/index.ts'
import { tensor } from '../tensor/index.ts'
import { applyResolved, axisMask, checkEdited, regionMask, stackValues } from './apply-edit.ts'
import { type EditContext, type EditFunction, type ResolvedEdit, resolveIndices } from './edits.ts'
import { layerOf } from './hook-names.ts'
import type { BatchLayout, LengthGroup } from './layouts/batch.ts'
import type { Taps } from './tapped-forward.ts'

/** An edit ready to be traced, with the hooks where it applies and a count of its firings. */
export interface PlannedEdit {
  readonly pattern: string
  readonly kind: string
  readonly hooks: readonly string[]
  readonly edit: EditFunction | ResolvedEdit
  /** For edits whose values differ from hook to hook (resample, mean, freeze). */
  readonly byHook?: ReadonlyMap<string, ResolvedEdit>
  fired: number
}

/** Applies edits to, and records, the activations of a run over whole prompts. */
export class BatchTaps implements Taps {
  /** Activations after edits, by hook. */
  readonly recorded = new Map<string, Tensor>()
  private readonly layout: BatchLayout
  private readonly edits: readonly PlannedEdit[]
  private readonly record: ReadonlySet<string>
  private readonly differentiate: ReadonlySet<string>
  /** Whether tokens will follow, so that an edit may name positions behind the prompt. */
  private readonly continues: boolean

  constructor(
    layout: BatchLayout,
    edits: readonly PlannedEdit[],
    record: ReadonlySet<string>,
    differentiate: ReadonlySet<string> = new Set(),
    continues = false,
  ) {
    this.continues = continues
    this.layout = layout
    this.edits = edits
    this.record = record
    this.differentiate = differentiate
  }

  wants(name: string): boolean {
    return this.record.has(name) || this.differentiate.has(name) || this.edits.some(({ hooks }) => hooks.includes(name))
  }

  hook(name: string, x: Tensor): Tensor {
    let y = x
    for (const planned of this.edits) {
      if (!planned.hooks.includes(name)) continue
      y = this.apply(planned, name, y)
      planned.fired++
    }
    // A gradient needs a node of its own: views are otherwise looked through by what follows.
    if (this.differentiate.has(name)) y = y.pin()
    if (this.record.has(name) || this.differentiate.has(name)) this.recorded.set(name, y)
    return y
  }

  private apply(planned: PlannedEdit, hook: string, x: Tensor): Tensor {
    const { layout } = this
    const parts = layout.groups.map((group) => {
      const own = layout.logical(hook, x, group)
      const prompts = Array.from({ length: group.count }, (_, i) => group.first + i)
      if (typeof planned.edit === 'function')
        return checkEdited(planned.edit(own, context(hook, group, prompts)), own, hook)
      const edit = planned.byHook?.get(hook) ?? planned.edit
      const mask = regionMask(edit, hook, own, (positions, axis) => {
        const present = this.continues ? positions.filter((p) => p < group.length) : positions
        return axisMask(resolveIndices(present, group.length, 'position', hook), axis, own.shape)
      })
      return applyResolved(edit, hook, own, mask, (arrays) => stackValues(arrays, prompts, hook, own.shape))
    })
    return layout.padded ? layout.physical(hook, x, parts) : parts[0]!
  }
}

function context(hook: string, { count, length }: LengthGroup, prompts: readonly number[]): EditContext {
  const positions = BigInt64Array.from({ length: count * length }, (_, i) => BigInt(i % length))
  return { hook, layer: layerOf(hook), prompts, positions: tensor(positions, [count, length]) }
}
