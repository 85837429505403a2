export { constant, full, input, iota, tensor } from './creation.ts'
export {
  allocate,
  bytesPerElement,
  type DType,
  dtypeOf,
  fromHalfBits,
  isFloat,
  type TypedArray,
  toHalfBits,
  typedArrayFrom,
} from './dtype.ts'
export { einsum } from './einsum.ts'
export { crossEntropy, layerNorm, rmsNorm, type Standardized, type Tap } from './functions.ts'
export { countUses, printGraph, topologicalOrder } from './graph.ts'
export { type AxisIndex, Region } from './indexing.ts'
export { type Attribute, type Attributes, type PrimitiveName, primitives, type TensorType } from './primitives.ts'
export { broadcastShapes, formatShape, normalizeAxis, type Shape, sameShape, sizeOf, stridesOf } from './shape.ts'
export { apply, concat, isDifferentiable, type Operand, sameType, stack, Tensor, where } from './tensor.ts'
