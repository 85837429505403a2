import { DiopterError } from '../errors/index.ts'
import type { Tensor } from '../tensor/index.ts'
import { applyResolved, checkEdited, regionMask, stackValues } from './apply-edit.ts'
import type { PlannedEdit } from './batch-taps.ts'
import type { ArrayValue, EditFunction, ResolvedEdit, ValueEdit } from './edits.ts'
import { isAttentionHook, layerOf } from './hook-names.ts'
import { positionOf, type StepLayout, type StepPlace } from './layouts/step.ts'
import type { Taps } from './tapped-forward.ts'

/**
 * Edits and records of a decoding step. A traced edit sees the new token only, and its context gives the absolute
 * position; positions and keys of a declarative edit are absolute, and -1 is the newest token.
 */
export class StepTaps implements Taps {
  readonly recorded = new Map<string, Tensor>()
  private readonly layout: StepLayout
  private readonly edits: readonly PlannedEdit[]
  private readonly record: ReadonlySet<string>
  /** The number of each row's prompt. */
  private readonly prompts: readonly number[]
  private readonly firings: PlannedEdit[] = []

  constructor(
    layout: StepLayout,
    edits: readonly PlannedEdit[],
    record: ReadonlySet<string>,
    prompts: readonly number[],
  ) {
    this.layout = layout
    this.edits = edits
    this.record = record
    this.prompts = prompts
  }

  wants(name: string): boolean {
    return this.record.has(name) || this.edits.some(({ hooks }) => hooks.includes(name))
  }

  /** The graph is traced once and run at every step: each run counts the edits that act there. */
  countFirings(place: StepPlace): void {
    for (const planned of this.firings) {
      const positions = typeof planned.edit === 'function' ? undefined : planned.edit.positions
      if (positions === undefined || rowsAt(positions, place).some((here) => here)) planned.fired++
    }
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
    if (typeof planned.edit === 'function') return this.applyFunction(planned.edit, hook, x)
    const edit = planned.byHook?.get(hook) ?? planned.edit
    const standing = standingValues(edit, x.rank)
    if (standing === undefined) return x
    const mask = regionMask(edit, hook, x, {
      positions: (positions) => this.positionMask(planned, positions, x.rank),
      keys: (keys) => this.keyMask(planned, keys),
    })
    return applyResolved(standing, hook, x, mask, (given) => stackValues(given, this.prompts, x.shape))
  }

  private applyFunction(edit: EditFunction, hook: string, x: Tensor): Tensor {
    const { prompts, layout } = this
    const context = {
      hook,
      layer: layerOf(hook),
      prompts,
      get positions() {
        return layout.positions()
      },
    }
    if (!isAttentionHook(hook)) return checkEdited(edit(x, context), x, hook)
    // Keys lie in cache slots, and the new token's behind them all: the edit sees them by position.
    const ordered = x.gatherElements(this.keyOrder('logical').broadcast(...x.shape), 3)
    const edited = checkEdited(edit(ordered, context), ordered, hook)
    return edited.gatherElements(this.keyOrder('physical').broadcast(...x.shape), 3)
  }

  /** A bool [B, 1, ...]: whether the new token stands at one of the positions. */
  private positionMask(planned: PlannedEdit, positions: readonly number[], rank: number): Tensor {
    const shape = [this.prompts.length, ...new Array<number>(rank - 1).fill(1)]
    return this.layout.feed(`${this.nameOf(planned)}.positions.${rank}`, shape, 'bool', (place) =>
      Uint8Array.from(rowsAt(positions, place), Number),
    )
  }

  /** Feeds are named by the edit's place in the list, not by its values: other values are the same graph. */
  private nameOf(planned: PlannedEdit): string {
    return `edit.${this.edits.indexOf(planned)}`
  }

  /** A bool [B, 1, 1, K]: the slots that hold the keys at some positions. */
  private keyMask(planned: PlannedEdit, keys: readonly number[]): Tensor {
    const slots = this.layout.capacity + 1
    return this.layout.feed(`${this.nameOf(planned)}.keys`, [this.prompts.length, 1, 1, slots], 'bool', (place) => {
      const mask = new Uint8Array(this.prompts.length * slots)
      this.prompts.forEach((_, row) => {
        const here = positionOf(place, row)
        for (const key of keys) {
          const position = key < 0 ? here + 1 + key : key
          if (position === here) mask[row * slots + slots - 1] = 1
          else if (position >= 0 && position < here) mask[row * slots + place.cache.padding[row]! + position] = 1
        }
      })
      return mask
    })
  }

  /** For every position the slot of its key, int64 [B, 1, 1, K], or the other way round; the rest in any order. */
  private keyOrder(wanted: 'logical' | 'physical'): Tensor {
    const slots = this.layout.capacity + 1
    return this.layout.feed(`step.order.${wanted}`, [this.prompts.length, 1, 1, slots], 'int64', (place) => {
      const order = new BigInt64Array(this.prompts.length * slots)
      this.prompts.forEach((_, row) => {
        const [here, padding] = [positionOf(place, row), place.cache.padding[row]!]
        const filled = Array.from({ length: here }, (_, position) => padding + position)
        const rest = Array.from({ length: slots - 1 }, (_, slot) => slot).filter(
          (s) => s < padding || s >= padding + here,
        )
        const slotOf = [...filled, slots - 1, ...rest]
        slotOf.forEach((slot, position) => {
          const [from, to] = wanted === 'logical' ? [slot, position] : [position, slot]
          order[row * slots + to] = BigInt(from)
        })
      })
      return order
    })
  }
}

/** For every row, whether its new token stands at one of the positions. */
function rowsAt(positions: readonly number[], place: StepPlace): boolean[] {
  return place.cache.padding.map((_, row) => {
    const here = positionOf(place, row)
    return positions.some((p) => (p < 0 ? p === -1 : p === here))
  })
}

/**
 * The edit with values that serve a new token; undefined when it never stands there. Values per position exist for the
 * prompt only: such an edit must be narrowed to positions of the prompt.
 */
function standingValues(edit: ResolvedEdit, rank: number): ResolvedEdit | undefined {
  if (edit.kind !== 'set' && edit.kind !== 'add') return edit
  const lengths = edit.values.map((value) => positionsOf(edit, value, rank))
  const length = Math.min(...lengths)
  if (length === Number.POSITIVE_INFINITY) return edit
  if (edit.positions?.every((p) => p >= 0 && p < length)) return undefined
  throw new DiopterError(
    `The edit of ${edit.hook} has a value for each of ${length} positions, and none for new tokens; give it \`positions\` of the prompt (0..${length - 1}), or a value without a position axis.`,
  )
}

/** For how many positions a value stands, infinitely many when it has no position axis. */
function positionsOf({ hook, byPosition }: ValueEdit, { shape }: ArrayValue, rank: number): number {
  const length = shape.length === rank - 1 ? shape[isAttentionHook(hook) ? 1 : 0]! : 1
  return byPosition || length > 1 ? length : Number.POSITIVE_INFINITY
}
