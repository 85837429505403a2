import { Engine } from '../../src/engine/index.ts'
import { createNodeBackend } from '../../src/engine/node/backend.ts'
import { type DType, isFloat, type Shape, sizeOf, type Tensor, tensor, typedArrayFrom } from '../../src/tensor/index.ts'

let engine: Engine | undefined

/** The outputs as ONNX Runtime computes them on two threads; `optimise` false runs the graph as traced. */
export async function runGraph(outputs: readonly Tensor[], optimise = true): Promise<Float64Array[]> {
  engine ??= new Engine({ backend: createNodeBackend({ threads: 2 }) })
  const results = await engine.evaluate(outputs, {}, { optimise })
  return results.map(({ data }) => Float64Array.from(data, Number))
}

/** A tensor of values from low to high: whole numbers in an integer dtype, 0 or 1 for bool. */
export function randomTensor(random: () => number, shape: Shape, dtype: DType = 'float32', low = -2, high = 2): Tensor {
  const values = Array.from({ length: sizeOf(shape) }, () => {
    if (dtype === 'bool') return random() < 0.5
    const value = low + random() * (high - low)
    return isFloat(dtype) ? value : Math.floor(value)
  })
  return tensor(typedArrayFrom(dtype, values), shape)
}

/** The largest |a - b| / max(1, |b|); equal infinities and two NaN agree. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!]
    if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue
    const difference = Math.abs(a - b) / Math.max(1, Math.abs(b))
    largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(largest, difference)
  }
  return largest
}
