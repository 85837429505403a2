/** Matrices of numbers as they come: nested lists, or flat typed data as results carry it; read in place, never copied. */

import { DiopterError } from '../errors/index.ts'
import { isPresent, type Value } from './scales.ts'

/** Flat row-major numbers with a shape, such as a captured activation. float16 bits are no numbers: convert them first. */
export interface NumberArray {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
  readonly dtype?: string
  readonly axes?: readonly string[]
}

/** [row][column], nested or flat; null, NaN and infinities are absent. */
export type Matrix = readonly ArrayLike<Value>[] | NumberArray

/** [layer][head][row][column], nested or flat. */
export type MatrixStack = readonly (readonly Matrix[])[] | NumberArray

/** A matrix to read from: row `r` is `list(r)[start(r)]` and the `columns` entries from there on. */
export interface Rows {
  readonly count: number
  readonly columns: number
  list(row: number): ArrayLike<Value>
  start(row: number): number
}

/** The entry at a place. */
export function valueAt(rows: Rows, row: number, column: number): Value {
  return rows.list(row)[rows.start(row) + column] ?? null
}

/** Every entry, row by row. */
export function* valuesOf(rows: Rows): Generator<Value> {
  for (let row = 0; row < rows.count; row++) {
    const [list, start] = [rows.list(row), rows.start(row)]
    for (let column = 0; column < rows.columns; column++) yield list[start + column] ?? null
  }
}

/** The entries as nested lists, each what `make` makes of it. */
export function mapRows<T>(rows: Rows, make: (value: Value, row: number, column: number) => T): T[][] {
  return Array.from({ length: rows.count }, (_, row) =>
    Array.from({ length: rows.columns }, (_, column) => make(valueAt(rows, row, column), row, column)),
  )
}

/** A matrix of `count` rows and `columns` columns to read from. Throws where it has another shape, naming it by `what`. */
export function rowsOf(what: string, matrix: Matrix, count: number, columns: number): Rows {
  if ('shape' in matrix) {
    assertShape(what, matrix, [count, columns])
    return flatRows(matrix.data, 0, count, columns)
  }
  assertGrid(what, matrix, count, columns)
  return { count, columns, list: (row) => matrix[row]!, start: () => 0 }
}

/** [layer][head] matrices of `side` rows and columns. Throws where one has another shape or layers differ in heads. */
export function stackOf(what: string, stack: MatrixStack, side: number): Rows[][] {
  if ('shape' in stack) {
    const [layers = 0, heads = 0] = stack.shape
    assertShape(what, stack, [layers, heads, side, side])
    return Array.from({ length: layers }, (_, layer) =>
      Array.from({ length: heads }, (_, head) =>
        flatRows(stack.data, (layer * heads + head) * side * side, side, side),
      ),
    )
  }
  const heads = stack[0]?.length ?? 0
  return stack.map((matrices, layer) => {
    if (matrices.length !== heads)
      throw new DiopterError(`Layer ${layer} has ${matrices.length} attention patterns where layer 0 has ${heads}.`)
    return matrices.map((matrix, head) => rowsOf(`${what} of layer ${layer}, head ${head}`, matrix, side, side))
  })
}

/** Throws unless `rows` is `count` rows of `columns` entries each. */
export function assertGrid(
  what: string,
  rows: readonly { readonly length: number }[],
  count: number,
  columns: number,
): void {
  const wrong = rows.findIndex((row) => row.length !== columns)
  if (rows.length === count && wrong === -1) return
  const found = wrong === -1 ? `${rows.length} rows` : `${rows[wrong]!.length} entries in row ${wrong}`
  throw new DiopterError(
    `${what} should be ${count} rows of ${columns} entries, one per row and column label, but there are ${found}.`,
  )
}

function assertShape(what: string, { shape, data, dtype }: NumberArray, wanted: readonly number[]): void {
  if (dtype === 'float16')
    throw new DiopterError(`${what} holds float16 bits, which are no numbers yet: convert them to float32.`)
  const size = wanted.reduce((product, length) => product * length, 1)
  const fits = shape.length === wanted.length && shape.every((length, axis) => length === wanted[axis])
  if (!fits || data.length !== size) {
    throw new DiopterError(
      `${what} should have the shape [${wanted.join(', ')}], as its labels say, but has [${shape.join(', ')}] and ${data.length} numbers.`,
    )
  }
}

function flatRows(data: ArrayLike<number>, offset: number, count: number, columns: number): Rows {
  return { count, columns, list: () => data, start: (row) => offset + row * columns }
}

/**
 * At most `most` rows and columns, each entry the largest in size of those it stands for: a thumbnail shows no more, and
 * single strong entries stay visible. Absent entries are NaN.
 */
export function pooled(rows: Rows, most: number): Rows {
  const count = Math.min(most, rows.count)
  const columns = Math.min(most, rows.columns)
  const data = new Float64Array(count * columns).fill(Number.NaN)
  // The entries that a column stands for end where the next one's begin.
  const ends = Int32Array.from({ length: columns }, (_, column) => Math.ceil(((column + 1) * rows.columns) / columns))
  for (let row = 0; row < rows.count; row++) {
    const [list, start] = [rows.list(row), rows.start(row)]
    const base = Math.floor((row * count) / rows.count) * columns
    let from = start
    for (let column = 0; column < columns; column++) {
      const end = start + ends[column]!
      let best: number = data[base + column]!
      let size = Number.isNaN(best) ? -1 : Math.abs(best)
      // The innermost line of a picture of all heads: millions of entries.
      for (; from < end; from++) {
        const value = list[from] as number
        const own = Math.abs(value)
        if (own > size && isPresent(value)) {
          size = own
          best = value
        }
      }
      data[base + column] = best
    }
  }
  return flatRows(data, 0, count, columns)
}

/** One head's matrix of a stack, as it lies there; undefined where the stack has no such layer or head. */
export function matrixAt(stack: MatrixStack, layer: number, head: number): Matrix | undefined {
  if (!('shape' in stack)) return stack[layer]?.[head]
  const [layers = 0, heads = 0, rows = 0, columns = 0] = stack.shape
  if (!(layer >= 0 && layer < layers && head >= 0 && head < heads)) return undefined
  const { data } = stack
  const start = (layer * heads + head) * rows * columns
  const size = rows * columns
  // A typed array's part is a view of it.
  const part =
    data instanceof Float32Array || data instanceof Float64Array
      ? data.subarray(start, start + size)
      : Array.prototype.slice.call(data, start, start + size)
  return { shape: [rows, columns], data: part }
}
