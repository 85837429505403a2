import { DiopterError } from '../errors/index.ts'

/** The sizes of a tensor's axes; always concrete. */
export type Shape = readonly number[]

/** The number of elements of `shape`. */
export function sizeOf(shape: Shape): number {
  let size = 1
  for (const n of shape) size *= n
  return size
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i])
}

/** A shape as text: `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

/** `axis` as a number in 0..rank-1; negative axes count from the end. */
export function normalizeAxis(axis: number, rank: number, what: string): number {
  const normalized = axis < 0 ? axis + rank : axis
  if (!Number.isInteger(normalized) || normalized < 0 || normalized >= rank) {
    throw new DiopterError(`${what}: axis ${axis} does not exist; the tensor has ${rank} axes (${-rank}..${rank - 1}).`)
  }
  return normalized
}

/** The shape that NumPy's broadcasting gives; throws naming `what` when the shapes do not fit. */
export function broadcastShapes(what: string, ...shapes: Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length))
  const result = new Array<number>(rank).fill(1)
  for (const shape of shapes) {
    const offset = rank - shape.length
    for (let i = 0; i < shape.length; i++) {
      const n = shape[i]!
      const current = result[offset + i]!
      if (n === current || n === 1) continue
      if (current !== 1) {
        throw new DiopterError(
          `${what}: shapes ${shapes.map(formatShape).join(' and ')} cannot be broadcast together; axes must be equal or 1, counted from the end.`,
        )
      }
      result[offset + i] = n
    }
  }
  return result
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride
    stride *= shape[i]!
  }
  return strides
}
