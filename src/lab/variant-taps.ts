import { DiopterError } from '../errors/index.ts'
import { concat, type Shape, sameShape, sizeOf, stridesOf, type Tensor, tensor } from '../tensor/index.ts'
import { applyResolved, checkEdited, headAxisOf, noSuchAxis, requireLength } from './apply-edit.ts'
import { type ArrayValue, type EditFunction, type ResolvedEdit, resolveIndices, type ValueEdit } from './edits.ts'
import { isAttentionHook, layerOf } from './hook-names.ts'
import type { StaircaseLayout } from './layouts/staircase.ts'
import type { Taps } from './tapped-forward.ts'

/** One edit of one variant at one hook. */
export interface PlacedEdit {
  /** The row of the staircase (the variant's number). */
  readonly row: number
  readonly hook: string
  readonly edit: ResolvedEdit | EditFunction
}

type PlacedValues = PlacedEdit & { readonly edit: ValueEdit }

/**
 * Applies each row's own edits. Edits of one kind at one hook become a single masked operation over all rows, with masks
 * and values as data: a sweep compiles the same graph whatever is patched in.
 */
export class VariantTaps implements Taps {
  readonly fired = new Set<PlacedEdit>()
  private readonly layout: StaircaseLayout
  private readonly byHook = new Map<string, PlacedEdit[]>()
  private readonly length: number

  constructor(layout: StaircaseLayout, edits: readonly PlacedEdit[], length: number) {
    this.layout = layout
    this.length = length
    for (const edit of edits) this.byHook.set(edit.hook, [...(this.byHook.get(edit.hook) ?? []), edit])
  }

  wants(name: string): boolean {
    return this.byHook.has(name)
  }

  hook(name: string, x: Tensor): Tensor {
    const here = this.byHook.get(name)
    if (!here) return x
    const present = new Set(this.layout.current())
    for (const placed of here) {
      if (!present.has(placed.row))
        throw new DiopterError(`The row of a variant that edits ${name} had not entered the batch there.`)
      this.fired.add(placed)
    }
    let y = x
    for (const group of groupAlike(here)) y = this.applyGroup(name, y, group)
    return y
  }

  private applyGroup(hook: string, x: Tensor, group: readonly PlacedEdit[]): Tensor {
    const first = group[0]!.edit
    if (typeof first === 'function') return this.applyFunction(hook, x, group[0]!, first)
    const edits = group as readonly (PlacedEdit & { edit: ResolvedEdit })[]
    const mask = this.mask(hook, x.shape, edits)
    return applyResolved(first, hook, x, mask, () => this.values(hook, x.shape, group as readonly PlacedValues[]))
  }

  /** Which row and positions each leading index of the hook's tensor stands for: tokens, or whole rows for attention. */
  private leading(hook: string): { row: number; position: number }[] {
    if (isAttentionHook(hook)) return this.layout.current().map((row) => ({ row, position: -1 }))
    const { rows, positions } = this.layout.places()
    return Array.from(rows, (row, i) => ({ row, position: positions[i]! }))
  }

  /** A bool tensor that broadcasts over x: true where one of the edits applies. */
  private mask(hook: string, shape: Shape, edits: readonly (PlacedEdit & { edit: ResolvedEdit })[]): Tensor {
    const attention = isAttentionHook(hook)
    const headAxis = headAxisOf(hook, shape.length) ?? -1
    const featureAxis = attention ? -1 : shape.length - 1
    const narrowedBy = (axis: number): boolean =>
      edits.some(
        ({ edit }) =>
          (axis === headAxis && edit.heads) ||
          (axis === featureAxis && edit.neurons) ||
          (attention && ((axis === 2 && edit.positions) || (axis === 3 && edit.keys))),
      )
    const sizes = shape.map((n, axis) => (axis === 0 || narrowedBy(axis) ? n : 1))
    const data = new Uint8Array(sizeOf(sizes))
    const strides = stridesOf(sizes)
    const leading = this.leading(hook)
    const ofRow = new Map<number, number[]>()
    leading.forEach(({ row }, i) => {
      const own = ofRow.get(row)
      if (own) own.push(i)
      else ofRow.set(row, [i])
    })
    const queries = this.layout.queryPositions()
    for (const { row, edit } of edits) {
      const at = (list: readonly number[] | undefined, axis: number, what: string): readonly number[] => {
        if (list === undefined) return Array.from({ length: axis < 0 ? 1 : sizes[axis]! }, (_, i) => i)
        if (axis < 0) throw noSuchAxis(hook, what, shape)
        return resolveIndices(list, shape[axis]!, what, hook)
      }
      const positions = edit.positions && new Set(resolveIndices(edit.positions, this.length, 'position', hook))
      const heads = at(edit.heads, headAxis, 'heads')
      const features = at(edit.neurons, featureAxis, 'neurons')
      const keys = at(edit.keys, attention ? 3 : -1, 'keys')
      const queryIndices =
        attention && positions
          ? queries.flatMap((q, i) => (positions.has(q) ? [i] : []))
          : at(undefined, attention ? 2 : -1, 'positions')
      for (const i of ofRow.get(row) ?? []) {
        if (!attention && positions && !positions.has(leading[i]!.position)) continue
        for (const head of heads) {
          const base = i * strides[0]! + (headAxis < 0 ? 0 : head * strides[headAxis]!)
          if (!attention) for (const f of features) data[base + f * strides[featureAxis]!] = 1
          else for (const q of queryIndices) for (const k of keys) data[base + q * strides[2]! + k] = 1
        }
      }
    }
    return tensor(data, sizes, 'bool')
  }

  /** The edits' values for every leading index: rows of one table, gathered. */
  private values(hook: string, shape: Shape, edits: readonly PlacedValues[]): Tensor {
    const attention = isAttentionHook(hook)
    const features = shape.slice(1)
    const table = new ValueTable(features, attention ? 1 : this.length)
    const offsets = new Map<number, { start: number; perPosition: boolean }>()
    for (const { row, edit } of edits) {
      const value = edit.values[0]!
      requireLength(edit, value, this.length)
      offsets.set(row, table.add(attention ? this.queryRows(value, shape) : value, hook))
    }
    const index = this.leading(hook).map(({ row, position }) => {
      const entry = offsets.get(row)
      return entry === undefined ? 0 : entry.start + (entry.perPosition ? position : 0)
    })
    return table.tensor().gather(tensor(index, [index.length], 'int64'), 0)
  }

  /** Of an attention value [.., P, K], the queries that are computed. */
  private queryRows(value: ArrayValue, shape: Shape): ArrayValue {
    const queries = this.layout.queryPositions()
    const rank = value.shape.length
    if (rank < 2 || value.shape[rank - 2] !== this.length || queries.length === this.length) return value
    const [count, keys] = [value.shape[rank - 2]!, value.shape[rank - 1]!]
    const blocks = value.data.length / (count * keys)
    const data = new Float32Array(blocks * queries.length * keys)
    for (let block = 0; block < blocks; block++) {
      queries.forEach((q, i) => {
        const from = (block * count + q) * keys
        data.set(value.data.subarray(from, from + keys) as Float32Array, (block * queries.length + i) * keys)
      })
    }
    return { shape: [...value.shape.slice(0, -2), shape[2]!, keys], data }
  }

  /** A traced edit of one row: its whole row is taken out, changed, and put back. */
  private applyFunction(hook: string, x: Tensor, { row }: PlacedEdit, edit: EditFunction): Tensor {
    const indices = this.leading(hook).flatMap((place, i) => (place.row === row ? [i] : []))
    const taken = x.gather(tensor(indices, [indices.length], 'int64'), 0)
    // tokens [P, ...] -> [1, P, ...]; an attention row is [1, H, Q, K] already
    const own = isAttentionHook(hook) ? taken : taken.unsqueeze(0)
    const positions = tensor(
      Array.from({ length: this.length }, (_, p) => p),
      [1, this.length],
      'int64',
    )
    const edited = checkEdited(edit(own, { hook, layer: layerOf(hook), prompts: [0], positions }), own, hook)
    const source = BigInt64Array.from({ length: x.shape[0]! }, (_, i) => BigInt(i))
    indices.forEach((index, i) => {
      source[index] = BigInt(x.shape[0]! + i)
    })
    return concat([x, edited.reshape(...taken.shape)], 0).gather(tensor(source, [source.length]), 0)
  }
}

/**
 * Edits that one masked operation serves: all of kind set, all of kind add; others one by one where they differ. A second
 * edit of the same row acts on the first one's result, so all first edits come before all second ones.
 */
function groupAlike(edits: readonly PlacedEdit[]): PlacedEdit[][] {
  const groups = new Map<string, { turn: number; edits: PlacedEdit[] }>()
  const turns = new Map<number, number>()
  edits.forEach((placed, i) => {
    const { edit, row } = placed
    const turn = turns.get(row) ?? 0
    turns.set(row, turn + 1)
    const key = typeof edit === 'function' ? `function ${i}` : `${turn} ${likeness(edit)}`
    const group = groups.get(key) ?? { turn, edits: [] }
    group.edits.push(placed)
    groups.set(key, group)
  })
  return [...groups.values()].sort((a, b) => a.turn - b.turn).map((group) => group.edits)
}

function likeness(edit: ResolvedEdit): string {
  switch (edit.kind) {
    case 'set':
    case 'add':
      return edit.kind
    case 'scale':
      return `scale ${edit.factor}`
    case 'clamp':
      return `clamp ${edit.min} ${edit.max}`
    case 'project_out':
      return `project ${edit.direction.join()}`
  }
}

/** Rows of values, each distinct array once. */
class ValueTable {
  private readonly features: Shape
  private readonly length: number
  private readonly chunks: Float32Array[] = []
  private readonly known = new Map<unknown, { start: number; perPosition: boolean }>()
  private rows = 0

  constructor(features: Shape, length: number) {
    this.features = features
    this.length = length
  }

  add(value: ArrayValue, hook: string): { start: number; perPosition: boolean } {
    const known = this.known.get(value.data)
    if (known) return known
    const perPosition =
      this.length > 1 && value.shape.length === this.features.length + 1 && value.shape[0] === this.length
    const count = perPosition ? this.length : 1
    const size = sizeOf(this.features)
    const chunk = new Float32Array(count * size)
    const from = perPosition || value.shape.length <= this.features.length ? value.shape : value.shape.slice(1)
    broadcastInto(chunk, [...(perPosition ? [count] : []), ...this.features], value, from, hook)
    const entry = { start: this.rows, perPosition }
    this.known.set(value.data, entry)
    this.chunks.push(chunk)
    this.rows += count
    return entry
  }

  /** [rows, ...features], with room for a power of two of arrays: batches that differ a little in their number are one graph. */
  tensor(): Tensor {
    const size = sizeOf(this.features)
    const rows =
      Math.max(...this.chunks.map(({ length }) => length / size)) * 2 ** Math.ceil(Math.log2(this.chunks.length))
    const data = new Float32Array(rows * size)
    let at = 0
    for (const chunk of this.chunks) {
      data.set(chunk, at)
      at += chunk.length
    }
    return tensor(data, [rows, ...this.features])
  }
}

function broadcastInto(
  target: Float32Array,
  shape: Shape,
  { data, shape: given }: ArrayValue,
  from: Shape,
  hook: string,
): void {
  const offset = shape.length - from.length
  const fits = offset >= 0 && from.every((n, i) => n === 1 || n === shape[offset + i]) && sizeOf(from) === data.length
  if (!fits)
    throw new DiopterError(
      `The value given for ${hook} has shape [${given.join(', ')}]; it must broadcast to [${shape.join(', ')}].`,
    )
  if (data instanceof Float32Array && sameShape(from, shape)) {
    target.set(data)
    return
  }
  const strides = stridesOf(shape)
  const fromStrides = stridesOf(from)
  for (let i = 0; i < target.length; i++) {
    let source = 0
    for (let axis = 0; axis < from.length; axis++) {
      if (from[axis] !== 1)
        source += (Math.floor(i / strides[offset + axis]!) % shape[offset + axis]!) * fromStrides[axis]!
    }
    target[i] = Number(data[source])
  }
}
