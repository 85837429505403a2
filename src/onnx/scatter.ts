import { isFloat, sizeOf, type Tensor } from '../tensor/index.ts'
import type { GraphBuilder } from './builder.ts'
import type { Fused } from './fusion.ts'
import { counting, reshape, zeros } from './pieces.ts'

/**
 * Below this size of the scattered axis, adding rows is a product with a one-hot matrix: faster than ScatterElements
 * for small vocabularies.
 */
const ONE_HOT_LIMIT = 512

const isOneHotProduct = (t: Tensor) => (t.attributes.size as number) <= ONE_HOT_LIMIT && isFloat(t.dtype)

/**
 * Updates added into zeros, or into `base`. Never `ScatterND(add)`: with duplicate indices its threads race and the sum is
 * silently wrong. ScatterElements(add) is correct, and so is a product with a one-hot matrix.
 */
export function scatterAdd(builder: GraphBuilder, [indices, updates, base]: readonly string[], t: Tensor): string {
  const [indexTensor, updateTensor] = t.inputs as [Tensor, Tensor]
  const [axis, size, n] = [t.attributes.axis as number, t.attributes.size as number, indexTensor.size]
  const before = sizeOf(updateTensor.shape.slice(0, axis))
  const after = sizeOf(updateTensor.shape.slice(axis + indexTensor.rank))
  const flat = reshape(builder, updates!, [before, n, after]) // [before, ...indices, after] -> [before, n, after]
  let result: string
  if (isOneHotProduct(t)) {
    const range = counting(builder, indexTensor.dtype, size)
    // Looked up in 0, 1, .. size-1, a negative index counts from the end and one out of range is an error, as in ScatterElements.
    const positions = reshape(builder, builder.node('Gather', [range, indices!]), [1, n])
    const matches = builder.node('Equal', [reshape(builder, range, [size, 1]), positions])
    const oneHot = builder.node('Cast', [matches], { to: builder.elementType(t.dtype) })
    result = builder.node('MatMul', [oneHot, flat]) // [size, n] x [before, n, after]
  } else {
    const everywhere = builder.node('Expand', [
      reshape(builder, indices!, [1, n, 1]),
      builder.int64s([before, n, after]),
    ])
    const shape = [before, size, after]
    const data = base === undefined ? zeros(builder, t.dtype, shape) : reshape(builder, base, shape)
    result = builder.node('ScatterElements', [data, everywhere, flat], { axis: 1, reduction: 'add' })
  }
  return reshape(builder, result, t.shape)
}

/** Single elements added into zeros, or into `base`. */
export function scatterElementsAdd(
  builder: GraphBuilder,
  [indices, updates, base]: readonly string[],
  t: Tensor,
): string {
  const data = base ?? zeros(builder, t.dtype, t.shape)
  return builder.node('ScatterElements', [data, indices!, updates!], {
    axis: t.attributes.axis as number,
    reduction: 'add',
  })
}

/** A sum with scattered updates, as the gradient of a cross-entropy is one: they are added in place. */
export function fuseScatterIntoSum(t: Tensor, plan: Map<Tensor, Fused>, uses: ReadonlyMap<Tensor, number>): void {
  if (t.op !== 'add') return
  const scattered = t.inputs.find((x) => isScatter(x) && uses.get(x) === 1)
  const base = t.inputs.find((x) => x !== scattered)
  if (!scattered || !base || base.size !== t.size || scattered.size !== t.size) return
  const emit = scattered.op === 'scatter_add' ? scatterAdd : scatterElementsAdd
  plan.set(t, {
    inputs: [...scattered.inputs, base],
    emit: (builder, inputs) => emit(builder, inputs, scattered),
  })
}

const isScatter = (x: Tensor) => x.op === 'scatter_elements_add' || (x.op === 'scatter_add' && !isOneHotProduct(x))
