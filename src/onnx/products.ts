import type { Tensor } from '../tensor/index.ts'
import { CONTRIB } from './builder.ts'
import type { Fused } from './fusion.ts'
import { rowBlocks } from './row-blocks.ts'

/** Matrix products of float32 in the forms that ONNX Runtime's kernel for the CPU computes with fewer copies. */
export function fuseProduct(
  t: Tensor,
  plan: Map<Tensor, Fused>,
  uses: ReadonlyMap<Tensor, number>,
  isResident: (input: Tensor) => boolean,
): void {
  if (t.op !== 'matmul' || t.dtype !== 'float32') return
  const fused = sharedMatrix(t, uses, isResident) ?? rowBlocks(t, isResident) ?? swappedOperands(t)
  if (fused) plan.set(t, fused)
}

/**
 * A product with the transpose of a resident matrix that something else reads too (a tied embedding): ONNX Runtime would
 * fold the transpose into a second copy of the matrix.
 */
function sharedMatrix(
  t: Tensor,
  uses: ReadonlyMap<Tensor, number>,
  isResident: (input: Tensor) => boolean,
): Fused | undefined {
  const [x, view] = t.inputs as [Tensor, Tensor]
  const matrix = view.inputs[0]
  if (view.op !== 'transpose' || matrix?.rank !== 2 || !isResident(matrix) || uses.get(matrix)! < 2) return undefined
  return product([x, matrix], { transB: 1 })
}

/** A batch of products whose operands are swapped in their last two axes: read where they lie. */
function swappedOperands(t: Tensor): Fused | undefined {
  const swapped = t.inputs.map(isSwap)
  if (t.inputs.some(({ rank }) => rank < 3) || !swapped.includes(true)) return undefined
  const operands = t.inputs.map((x, i) => (swapped[i] ? x.inputs[0]! : x))
  return product(operands, { transA: swapped[0] ? 1 : 0, transB: swapped[1] ? 1 : 0 })
}

function isSwap(x: Tensor): boolean {
  if (x.op !== 'transpose') return false
  const permutation = x.attributes.permutation as readonly number[]
  const last = x.rank - 1
  return permutation.every((from, axis) => from === (axis < last - 1 ? axis : 2 * last - 1 - axis))
}

const product = (inputs: readonly Tensor[], attributes: Readonly<Record<string, number>>): Fused => ({
  inputs,
  emit: (builder, names) => builder.node('FusedMatMul', names, attributes, CONTRIB),
})
