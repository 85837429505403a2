import { DiopterError } from '../errors/index.ts'
import { type DType, dtypeOf, type TypedArray, typedArrayFrom } from './dtype.ts'
import { formatShape, type Shape, sizeOf } from './shape.ts'
import { Tensor } from './tensor.ts'

/** A named placeholder, whose values are given when the graph runs. */
export function input(name: string, shape: Shape, dtype: DType = 'float32'): Tensor {
  return new Tensor('input', [], { name, shape, dtype })
}

/**
 * A tensor of known values, lifted to a graph input: the same graph with other values does not recompile.
 * `values` is a typed array (kept, not copied; it sets the dtype) or plain numbers, float32 unless `dtype` says otherwise;
 * `shape` defaults to one axis. Throws when the values do not fill the shape or the typed array is not of `dtype`.
 */
export function tensor(
  values: TypedArray | readonly (number | bigint | boolean)[],
  shape: Shape = [values.length],
  dtype?: DType,
): Tensor {
  if (sizeOf(shape) !== values.length)
    throw new DiopterError(`tensor: ${values.length} values do not fill the shape ${formatShape(shape)}.`)
  const array = ArrayBuffer.isView(values) ? values : typedArrayFrom(dtype ?? 'float32', values)
  const type = dtypeOf(array)
  if (dtype !== undefined && dtype !== type)
    throw new DiopterError(
      `tensor: ${dtype} was asked for, the typed array holds ${type}; leave the dtype out and cast.`,
    )
  return new Tensor('input', [], { name: '', shape, dtype: type }, array)
}

/** A scalar that is part of the graph's structure (an epsilon, a 1/sqrt(d)): it may be folded, and another value is another graph. */
export function constant(value: number, dtype: DType = 'float32'): Tensor {
  return new Tensor('constant', [], { value, dtype })
}

/** 0, 1, .. size-1. */
export function iota(size: number, dtype: DType = 'int64'): Tensor {
  return new Tensor('iota', [], { size, dtype })
}

/** A tensor of one structural value. */
export function full(shape: Shape, value: number, dtype: DType = 'float32'): Tensor {
  return constant(value, dtype).broadcast(...shape)
}
