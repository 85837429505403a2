import { sizeOf, type Tensor } from '../tensor/index.ts'
import { CONTRIB, type GraphBuilder } from './builder.ts'
import { reshape } from './pieces.ts'

/** The rotation as ONNX Runtime's own operator where its tables are those of positions, else as products of the halves. */
export function rotate(builder: GraphBuilder, [x, cos, sin]: readonly string[], t: Tensor): string {
  const places = t.dtype === 'float32' ? positionAxes(t) : undefined
  if (places === undefined) return fromHalves(builder, [x!, cos!, sin!], t)
  const { before, positions, after } = places
  const half = t.shape[t.rank - 1]! / 2
  const table = (name: string) => reshape(builder, name, [positions, half])
  // [before, positions, heads * d]; row p of the tables belongs to position p
  const inputs = [reshape(builder, x!, [before, positions, after]), builder.int64s([0]), table(cos!), table(sin!)]
  return reshape(builder, builder.node('RotaryEmbedding', inputs, {}, CONTRIB), t.shape)
}

/** The sizes of x around the neighbouring axes along which the tables differ, each multiplied together. */
function positionAxes(t: Tensor): { before: number; positions: number; after: number } | undefined {
  const table = t.inputs[1]!.shape.slice(0, -1)
  const varying = table.flatMap((n, axis) => (n === 1 ? [] : [axis + t.rank - 1 - table.length]))
  const [first, end] = varying.length === 0 ? [0, 0] : [varying[0]!, varying[varying.length - 1]! + 1]
  if (end - first !== varying.length || t.size === 0) return undefined
  return {
    before: sizeOf(t.shape.slice(0, first)),
    positions: sizeOf(t.shape.slice(first, end)),
    after: sizeOf(t.shape.slice(end)),
  }
}

function fromHalves(builder: GraphBuilder, [x, cos, sin]: readonly [string, string, string], t: Tensor): string {
  const axis = t.rank - 1
  const half = t.shape[axis]! / 2
  const [first, second] = builder.nodeOutputs('Split', [x, builder.int64s([half, half])], { axis }, 2) as [
    string,
    string,
  ]
  const product = (a: string, b: string) => builder.node('Mul', [a, b])
  return builder.node(
    'Concat',
    [
      builder.node('Sub', [product(first, cos), product(second, sin)]),
      builder.node('Add', [product(second, cos), product(first, sin)]),
    ],
    { axis },
  )
}
