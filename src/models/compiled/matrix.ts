import type { RandomSource } from '../../random/index.ts'
import { randomRotation } from '../../random/rotation.ts'

/** A small dense matrix of doubles, row-major: circuits are built in these and rounded once, at the end. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly data: Float64Array
}

/** [rows, columns] of zeros. */
export function zeros(rows: number, columns: number): Matrix {
  return { rows, columns, data: new Float64Array(rows * columns) }
}

/** [rows, columns], element by element. */
export function fill(rows: number, columns: number, value: (row: number, column: number) => number): Matrix {
  const data = new Float64Array(rows * columns)
  for (let i = 0; i < data.length; i++) data[i] = value(Math.floor(i / columns), i % columns)
  return { rows, columns, data }
}

export function identity(size: number): Matrix {
  return fill(size, size, (row, column) => (row === column ? 1 : 0))
}

/** [a, b] [b, c] -> [a, c] */
export function multiply(left: Matrix, right: Matrix): Matrix {
  const { rows, columns: inner } = left
  const { columns } = right
  const data = new Float64Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      const factor = left.data[i * inner + k]!
      if (factor === 0) continue
      for (let j = 0; j < columns; j++) data[i * columns + j]! += factor * right.data[k * columns + j]!
    }
  }
  return { rows, columns, data }
}

export function transpose({ rows, columns, data }: Matrix): Matrix {
  return fill(columns, rows, (row, column) => data[column * columns + row]!)
}

export function scale(factor: number, { rows, columns, data }: Matrix): Matrix {
  return { rows, columns, data: data.map((x) => factor * x) }
}

/** left + factor * right */
export function add(left: Matrix, right: Matrix, factor = 1): Matrix {
  return { ...left, data: left.data.map((x, i) => x + factor * right.data[i]!) }
}

/** Matrices of the same height side by side, filled up with zeros to `columns` in all. */
export function beside(matrices: readonly Matrix[], rows: number, columns: number): Matrix {
  const data = new Float64Array(rows * columns)
  let first = 0
  for (const matrix of matrices) {
    for (let row = 0; row < rows; row++) {
      const from = row * matrix.columns
      data.set(matrix.data.subarray(from, from + matrix.columns), row * columns + first)
    }
    first += matrix.columns
  }
  return { rows, columns, data }
}

/** Matrices of the same width one below the other, filled up with zeros to `rows` in all. */
export function stacked(matrices: readonly Matrix[], rows: number, columns: number): Matrix {
  const data = new Float64Array(rows * columns)
  let first = 0
  for (const matrix of matrices) {
    data.set(matrix.data, first)
    first += matrix.data.length
  }
  return { rows, columns, data }
}

/** The rows in another order: row `order[i]` of the result is row i. */
export function withRowsAt({ rows, columns, data }: Matrix, order: ArrayLike<number>): Matrix {
  const moved = new Float64Array(data.length)
  for (let i = 0; i < rows; i++) moved.set(data.subarray(i * columns, (i + 1) * columns), order[i]! * columns)
  return { rows, columns, data: moved }
}

/** Independent normal elements. */
export function normal(rows: number, columns: number, random: RandomSource): Matrix {
  return fill(rows, columns, () => random.normal())
}

/** A uniformly random orthogonal matrix. */
export function orthogonal(size: number, random: RandomSource): Matrix {
  return { rows: size, columns: size, data: Float64Array.from(randomRotation(size, random)) }
}

/** The square root of the sum of squares. */
export function frobenius({ data }: Matrix): number {
  return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0))
}
