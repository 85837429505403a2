import { type Shape, sameShape, type Tensor } from '../tensor/index.ts'

/** The transpose of broadcasting: `g` summed over the axes along which a tensor of `shape` was repeated to g's shape. */
export function unbroadcast(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g
  const added = g.rank - shape.length
  const repeated = g.shape.flatMap((n, axis) => (axis < added || (shape[axis - added] === 1 && n !== 1) ? [axis] : []))
  // [added axes..., rest] -> rest, with 1 where an axis was repeated
  return g.sum(repeated).reshape(...shape)
}
