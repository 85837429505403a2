import { choleskyFactor, choleskySolve, dot } from './cholesky.ts'

/** Rows of features, float64 [count, width]. */
export interface Features {
  readonly values: Float64Array
  readonly count: number
  readonly width: number
}

/**
 * Ridge regression, exactly: for every penalty the weights w [width] that minimise |features w - labels|^2 + lambda |w|^2,
 * where lambda is the penalty times the mean eigenvalue of the smaller Gram matrix. A tiny penalty gives least squares
 * or, where there are more weights than rows, the interpolating weights of least norm.
 */
export function ridgeFits(features: Features, labels: Float64Array, penalties: readonly number[]): Float64Array[] {
  const { values, count, width } = features
  const dual = width > count
  // w = (F^T F + lambda)^-1 F^T y = F^T (F F^T + lambda)^-1 y: whichever system is smaller is solved
  const rows = dual ? values : transposed(features)
  const size = dual ? count : width
  const gram = gramOfRows(rows, size, dual ? width : count)
  let trace = 0
  for (let i = 0; i < size; i++) trace += gram[i * size + i]!
  const right = dual ? labels : timesColumn(rows, labels, size)
  return penalties.map((penalty) => {
    const penalised = gram.slice()
    for (let i = 0; i < size; i++) penalised[i * size + i]! += (penalty * trace) / size
    const solution = choleskySolve(choleskyFactor(penalised, size), right)
    return dual ? timesRow(solution, values, width) : solution
  })
}

/** features w: [count]. */
export function predictions({ values, count }: Features, weights: Float64Array): Float64Array {
  return timesColumn(values, weights, count)
}

/** [rows, rows] of dot products of rows [rows, length]. */
function gramOfRows(values: Float64Array, rows: number, length: number): Float64Array {
  const gram = new Float64Array(rows * rows)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      const product = dot(values, i * length, values, j * length, length)
      gram[i * rows + j] = product
      gram[j * rows + i] = product
    }
  }
  return gram
}

/** matrix [rows, length] times column [length]: [rows]. */
function timesColumn(matrix: Float64Array, column: Float64Array, rows: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, i) => dot(matrix, i * column.length, column, 0, column.length))
}

/** row [rows] times matrix [rows, width]: [width]. */
function timesRow(row: Float64Array, matrix: Float64Array, width: number): Float64Array {
  const product = new Float64Array(width)
  for (const [i, factor] of row.entries()) {
    for (let j = 0; j < width; j++) product[j]! += factor * matrix[i * width + j]!
  }
  return product
}

function transposed({ values, count, width }: Features): Float64Array {
  const result = new Float64Array(values.length)
  for (let i = 0; i < count; i++) for (let j = 0; j < width; j++) result[j * count + i] = values[i * width + j]!
  return result
}
