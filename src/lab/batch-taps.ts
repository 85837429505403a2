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
      if (this.isHere(planned)) planned.fired++
    }
    // A gradient needs a node of its own: views are otherwise looked through by what follows.
    if (this.differentiate.has(name)) y = y.pin()
    if (this.record.has(name) || this.differentiate.has(name)) this.recorded.set(name, y)
    return y
  }

  /** Whether an edit is about the prompts, and not only about tokens that will follow. */
  private isHere({ edit }: PlannedEdit): boolean {
    if (typeof edit === 'function' || edit.positions === undefined) return true
    return edit.positions.some((position) => position < this.layout.length)
  }

  private apply(planned: PlannedEdit, hook: string, x: Tensor): Tensor {
    const { layout } = this
    const parts = layout.groups.map((group) => {
      const own = layout.logical(hook, x, group)
      if (typeof planned.edit === 'function') return checkEdited(planned.edit(own, context(hook, group)), own, hook)
      const edit = planned.byHook?.get(hook) ?? planned.edit
      const along = (what: string) => (places: readonly number[], axis: number) => {
        const present = this.continues ? places.filter((p) => p < group.length) : places
        return axisMask(resolveIndices(present, group.length, what, hook), axis, own.shape)
      }
      const mask = regionMask(edit, hook, own, { positions: along('position'), keys: along('key position') })
      return applyResolved(edit, hook, own, mask, (given) => stackValues(given, group.prompts, own.shape))
    })
    return layout.padded ? layout.physical(hook, x, parts) : parts[0]!
  }
}

function context(hook: string, { count, length, prompts }: LengthGroup): EditContext {
  const positions = BigInt64Array.from({ length: count * length }, (_, i) => BigInt(i % length))
  return { hook, layer: layerOf(hook), prompts, positions: tensor(positions, [count, length]) }
}
