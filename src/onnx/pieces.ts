import { type DType, type Shape, typedArrayFrom } from '../tensor/index.ts'
import type { GraphBuilder } from './builder.ts'

// Small pieces of ONNX that several lowerings are made of; each returns the name of its result.

export const scalar = (builder: GraphBuilder, dtype: DType, value: number): string =>
  builder.initializer(dtype, [], typedArrayFrom(dtype, [value]))

export const zeros = (builder: GraphBuilder, dtype: DType, shape: Shape): string =>
  builder.node('Expand', [scalar(builder, dtype, 0), builder.int64s(shape)])

/** 0, 1, .. size-1. */
export const counting = (builder: GraphBuilder, dtype: DType, size: number): string =>
  builder.initializer(
    dtype,
    [size],
    typedArrayFrom(
      dtype,
      Array.from({ length: size }, (_, i) => i),
    ),
  )

/** `allowzero`, because a 0 would otherwise mean "as in the input". */
export const reshape = (builder: GraphBuilder, x: string, shape: Shape): string =>
  builder.node('Reshape', [x, builder.int64s(shape)], { allowzero: 1 })
