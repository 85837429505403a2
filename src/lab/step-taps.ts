import { DiopterError } from '../errors/index.ts'
import { input, type Tensor } from '../tensor/index.ts'
import { applyResolved, checkEdited, regionMask, stackValues } from './apply-edit.ts'
import type { PlannedEdit } from './batch-taps.ts'
import type { ArrayValue, ResolvedEdit } from './edits.ts'
import { layerOf } from './hook-names.ts'
import type { StepLayout, StepPlace } from './layouts/step.ts'
import type { Taps } from './tapped-forward.ts'

/**
 * Edits and records of a decoding step. A traced edit sees the new token only, and its context gives the absolute
 * position; positions of a declarative edit are absolute, and negative ones count back from the newest token.
 */
export class StepTaps implements Taps {
  readonly recorded = new Map<string, Tensor>()
  private readonly layout: StepLayout
  private readonly edits: readonly PlannedEdit[]
  private readonly record: ReadonlySet<string>
  private readonly prompts: readonly number[]
  private readonly firings: PlannedEdit[] = []

  constructor(layout: StepLayout, edits: readonly PlannedEdit[], record: ReadonlySet<string>, batch: number) {
    this.layout = layout
    this.edits = edits
    this.record = record
    this.prompts = Array.from({ length: batch }, (_, i) => i)
  }

  wants(name: string): boolean {
    return this.record.has(name) || this.edits.some(({ hooks }) => hooks.includes(name))
  }

  /** The graph is traced once and run at every step: each run counts the edits again. */
  countFirings(): void {
    for (const planned of this.firings) planned.fired++
  }

  hook(name: string, x: Tensor): Tensor {
    let y = x
    for (const planned of this.edits) {
      if (!planned.hooks.includes(name)) continue
      y = this.apply(planned, name, y)
      this.firings.push(planned)
    }
    if (this.record.has(name)) this.recorded.set(name, y)
    return y
  }

  private apply(planned: PlannedEdit, hook: string, x: Tensor): Tensor {
    const { prompts, layout } = this
    if (typeof planned.edit === 'function') {
      const context = {
        hook,
        layer: layerOf(hook),
        prompts,
        get positions() {
          return layout.positions()
        },
      }
      return checkEdited(planned.edit(x, context), x, hook)
    }
    const edit = planned.byHook?.get(hook) ?? planned.edit
    const mask = regionMask(edit, hook, x, (positions) => this.placeMask(positions, x.rank))
    return applyResolved(edit, hook, x, mask, (arrays) => this.values(edit, arrays, x))
  }

  /** A bool [B, 1, ...]: whether the new token stands at one of the positions. */
  private placeMask(positions: readonly number[], rank: number): Tensor {
    const name = `step.place.${positions.join('.')}.${rank}`
    const batch = this.prompts.length
    const shape = [batch, ...new Array<number>(rank - 1).fill(1)]
    if (!this.layout.feeds.some((feed) => feed.name === name)) {
      const value = ({ slot, cache }: StepPlace) => {
        const hit = cache.padding.map((padding) => {
          const here = slot - padding
          return positions.some((p) => (p < 0 ? p === -1 : p === here))
        })
        return { dtype: 'bool' as const, shape, data: Uint8Array.from(hit, Number) }
      }
      this.layout.feeds.push({ name, value })
    }
    return input(name, shape, 'bool')
  }

  private values(edit: ResolvedEdit, arrays: readonly ArrayValue[], x: Tensor): Tensor {
    const forPrompt = edit.positions?.every((p) => p >= 0) ?? false
    const fitting = arrays.map((value) => forOnePosition(value, x.rank, forPrompt, edit.hook))
    return stackValues(fitting, this.prompts, edit.hook, x.shape)
  }
}

/** Values per feature serve every step. Values per position exist for the prompt only, where a step never stands. */
function forOnePosition(value: ArrayValue, rank: number, forPrompt: boolean, hook: string): ArrayValue {
  const length = value.shape[0] ?? 1
  if (value.shape.length < rank - 1 || length === 1) return value
  if (!forPrompt) {
    throw new DiopterError(
      `The edit of ${hook} has a value for each of ${length} positions, and none for new tokens; give it \`positions\` of the prompt, or a value without a position axis.`,
    )
  }
  const size = value.data.length / length
  return { shape: [1, ...value.shape.slice(1)], data: value.data.slice(0, size) as Float32Array }
}
