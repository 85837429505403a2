import { DiopterError } from '../../errors/index.ts'
import { type Shape, sizeOf } from '../../tensor/index.ts'

/** A weight in its public shape, row-major. */
export interface WeightValues {
  readonly shape: Shape
  readonly data: Float32Array
}

/** A model's weights by public name (`blocks.0.attn.W_Q`). */
export type Weights = ReadonlyMap<string, WeightValues>

/** Weights that are being rewritten: those that change are replaced, the others shared with the caller. */
export type Draft = Map<string, WeightValues>

/** The weight of that name. @throws DiopterError when there is none. */
export function weightOf(weights: Weights, name: string): WeightValues {
  const found = weights.get(name)
  if (!found) throw new DiopterError(`Weight processing needs ${name}, which is not among the weights given.`)
  return found
}

/** A bias as float64, zeros when the model has none of that name. */
export function biasOf(weights: Weights, name: string, size: number): Float64Array {
  return Float64Array.from(weights.get(name)?.data ?? new Float32Array(size))
}

/** What a function sees of one matrix [rows, columns] in a weight [batch, rows, columns] or [rows, columns]. */
export interface MatrixPart {
  readonly rows: number
  readonly columns: number
  /** The offset of the element in `data`. */
  readonly at: (row: number, column: number) => number
}

/** The matrices of the last two axes, one per leading index. */
export function matrices({ shape }: WeightValues): MatrixPart[] {
  const [rows, columns] = shape.slice(-2) as [number, number]
  return Array.from({ length: sizeOf(shape.slice(0, -2)) }, (_, batch) => ({
    rows,
    columns,
    at: (row, column) => (batch * rows + row) * columns + column,
  }))
}

/** The weight with the mean over its last axis taken from every entry. */
export function centerLastAxis({ shape, data }: WeightValues): WeightValues {
  const size = shape.at(-1)!
  const result = new Float32Array(data.length)
  for (let start = 0; start < data.length; start += size) {
    let sum = 0
    for (let i = 0; i < size; i++) sum += data[start + i]!
    for (let i = 0; i < size; i++) result[start + i] = data[start + i]! - sum / size
  }
  return { shape, data: result }
}
