import { DiopterError } from '../errors/index.ts'
import { tensor } from './creation.ts'
import { formatShape } from './shape.ts'
import { apply, concat, type Operand, Tensor } from './tensor.ts'

/** One axis of an index: a position, a range ('a:b', 'a:b:step', ':'), positions to gather, an integer tensor, or '...'. */
export type AxisIndex = number | string | readonly number[] | Tensor

/** What one axis's index selects. */
type Selection =
  | {
      readonly kind: 'range'
      readonly start: number
      readonly end: number
      readonly step: number
      readonly drop: boolean
    }
  | { readonly kind: 'gather'; readonly indices: Tensor | readonly number[] }

function parseRange(text: string, size: number, axis: number): Selection {
  const parts = text.split(':').map((part) => part.trim())
  const numbers = parts.map((part) => (part === '' ? undefined : Number(part)))
  if (parts.length < 2 || parts.length > 3 || numbers.some((n) => n !== undefined && !Number.isInteger(n))) {
    throw new DiopterError(`at/get: '${text}' is not a range for axis ${axis}; write ':', 'a:b' or 'a:b:step'.`)
  }
  const clip = (i: number) => Math.max(0, Math.min(size, i < 0 ? i + size : i))
  const step = numbers[2] ?? 1
  if (step < 1) throw new DiopterError(`at/get: step ${step} of axis ${axis} must be at least 1.`)
  const start = clip(numbers[0] ?? 0)
  return { kind: 'range', start, end: Math.max(start, clip(numbers[1] ?? size)), step, drop: false }
}

function position(i: number, size: number, axis: number, x: Tensor): number {
  const at = i < 0 ? i + size : i
  if (!Number.isInteger(i) || at < 0 || at >= size) {
    throw new DiopterError(
      `at/get: index ${i} is outside axis ${axis} (size ${size}) of a tensor of shape ${formatShape(x.shape)}.`,
    )
  }
  return at
}

/** One selection per axis of `x`. */
function select(x: Tensor, index: readonly AxisIndex[]): Selection[] {
  const dots = index.indexOf('...')
  const given = dots < 0 ? index.length : index.length - 1
  if (given > x.rank)
    throw new DiopterError(`at/get: ${given} indices for a tensor of ${x.rank} axes, shape ${formatShape(x.shape)}.`)
  const fill = new Array<AxisIndex>(x.rank - given).fill(':')
  const full = dots < 0 ? [...index, ...fill] : [...index.slice(0, dots), ...fill, ...index.slice(dots + 1)]
  return full.map((item, axis): Selection => {
    const size = x.shape[axis]!
    if (typeof item === 'string') return parseRange(item, size, axis)
    if (typeof item === 'number') {
      const at = position(item, size, axis, x)
      return { kind: 'range', start: at, end: at + 1, step: 1, drop: true }
    }
    if (item instanceof Tensor) return { kind: 'gather', indices: item }
    return { kind: 'gather', indices: item.map((i) => position(i, size, axis, x)) }
  })
}

const asTensor = (indices: Tensor | readonly number[]) =>
  indices instanceof Tensor ? indices : tensor(indices, [indices.length], 'int64')

/** `x[index]`, as NumPy reads it (gathered axes are taken one after the other). */
export function readRegion(x: Tensor, index: readonly AxisIndex[]): Tensor {
  const selections = select(x, index)
  const ranges = selections.map((s, axis) =>
    s.kind === 'range' ? s : { start: 0, end: x.shape[axis]!, step: 1, drop: false },
  )
  let result = apply('slice', [x], {
    starts: ranges.map((r) => r.start),
    ends: ranges.map((r) => r.end),
    steps: ranges.map((r) => r.step),
  })
  // From the last axis to the first, so that earlier axis numbers stay valid.
  for (let axis = x.rank - 1; axis >= 0; axis--) {
    const selection = selections[axis]!
    if (selection.kind === 'gather') result = result.gather(asTensor(selection.indices), axis)
    else if (selection.drop) result = result.squeeze(axis)
  }
  return result
}

/** A region of a tensor; every method returns the whole tensor with that region changed. */
export class Region {
  private readonly whole: Tensor
  private readonly index: readonly AxisIndex[]

  constructor(whole: Tensor, index: readonly AxisIndex[]) {
    this.whole = whole
    this.index = index
    select(whole, index) // a bad index is an error here, before anything is done with it
  }

  /** The region itself, as `x.get(...)` reads it. */
  get(): Tensor {
    return readRegion(this.whole, this.index)
  }
  /** The region replaced by `value`, which is broadcast to it. */
  set(value: Operand): Tensor {
    const region = this.get()
    const replacement = typeof value === 'number' ? tensor([value], [], region.dtype) : value
    if (replacement.dtype !== region.dtype)
      throw new DiopterError(
        `at().set: the tensor is ${region.dtype}, the new values are ${replacement.dtype}; cast them.`,
      )
    return writeRegion(this.whole, select(this.whole, this.index), 0, replacement.broadcast(...region.shape))
  }
  /** The region replaced by `change(region)`. */
  apply(change: (region: Tensor) => Tensor): Tensor {
    return this.set(change(this.get()))
  }
  add(value: Operand): Tensor {
    return this.apply((region) => region.add(value))
  }
  sub(value: Operand): Tensor {
    return this.apply((region) => region.sub(value))
  }
  mul(value: Operand): Tensor {
    return this.apply((region) => region.mul(value))
  }
  div(value: Operand): Tensor {
    return this.apply((region) => region.div(value))
  }
}

/**
 * Writes `value` (the region's shape, dropped axes absent) into x along the axes from `axis` on: each axis is cut into
 * the pieces before, in and after the region and joined again, so only slices and concatenations are traced.
 */
function writeRegion(x: Tensor, selections: readonly Selection[], axis: number, value: Tensor): Tensor {
  while (axis < x.rank && isWhole(selections[axis]!, x.shape[axis]!)) axis++
  if (axis === x.rank) return value.reshape(...x.shape)
  const selection = selections[axis]!
  if (selection.kind === 'gather') {
    if (selection.indices instanceof Tensor)
      throw new DiopterError('at().set: positions to write must be numbers, not a tensor; use a mask with where().')
    return writePositions(x, selections, axis, value, selection.indices)
  }
  if (selection.step > 1) {
    const positions = []
    for (let i = selection.start; i < selection.end; i += selection.step) positions.push(i)
    return writePositions(x, selections, axis, value, positions)
  }
  const inside = x.slice(axis, selection.start, selection.end)
  const rest = selections.with(axis, {
    kind: 'range',
    start: 0,
    end: selection.end - selection.start,
    step: 1,
    drop: selection.drop,
  })
  const region = selection.drop ? value.reshape(...withAxis(value.shape, valueAxis(selections, axis), 1)) : value
  const kept = rest.with(axis, { ...(rest[axis] as Extract<Selection, { kind: 'range' }>), drop: false })
  const written = writeRegion(inside, kept, axis + 1, region)
  return concat([x.slice(axis, 0, selection.start), written, x.slice(axis, selection.end)], axis)
}

function writePositions(
  x: Tensor,
  selections: readonly Selection[],
  axis: number,
  value: Tensor,
  positions: readonly number[],
): Tensor {
  const at = valueAxis(selections, axis)
  return positions.reduce((written, position, i) => {
    const one = selections.with(axis, { kind: 'range', start: position, end: position + 1, step: 1, drop: false })
    return writeRegion(written, one, axis, value.slice(at, i, i + 1))
  }, x)
}

/** The axis of the value that corresponds to `axis` of the whole: dropped axes before it are absent. */
function valueAxis(selections: readonly Selection[], axis: number): number {
  return selections.slice(0, axis).filter((s) => !(s.kind === 'range' && s.drop)).length
}

const withAxis = (shape: readonly number[], axis: number, size: number) => [
  ...shape.slice(0, axis),
  size,
  ...shape.slice(axis),
]

function isWhole(selection: Selection, size: number): boolean {
  return (
    selection.kind === 'range' &&
    selection.start === 0 &&
    selection.end === size &&
    selection.step === 1 &&
    !selection.drop
  )
}
