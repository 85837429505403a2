import { Tensor, topologicalOrder } from '../../tensor/index.ts'
import { rewrite } from './rewrite.ts'

/**
 * Transpose sharing: where a tensor is needed in two orders that differ by the last two axes, the second becomes a swap
 * of the first instead of a second copy of the tensor, because products read a swapped operand where it lies. Attention's
 * gradient needs keys both as [B, H, P, d] and as [B, H, d, P]; the first is kept, whose rows are copied in one piece.
 */
export function shareTransposes(outputs: readonly Tensor[]): Tensor[] {
  const keeping = topologicalOrder(outputs).filter(keepsRows)
  const kept = new Map<string, Tensor | undefined>(keeping.map((t) => [orderKey(t, permutationOf(t)), undefined]))
  return rewrite(outputs, (t, [x]) => {
    if (t.op !== 'transpose' || t.rank < 3) return undefined
    const isKept = keepsRows(t)
    const permutation = isKept ? permutationOf(t) : swapped(permutationOf(t))
    const key = orderKey(t, permutation)
    if (!kept.has(key)) return undefined
    // Nodes of their own: tracing them would merge the two transposes again.
    const copy = kept.get(key) ?? (isKept && x === t.inputs[0] ? t : new Tensor('transpose', [x!], { permutation }))
    kept.set(key, copy)
    return isKept ? copy : new Tensor('transpose', [copy], { permutation: swapped(t.shape.map((_, axis) => axis)) })
  })
}

const permutationOf = (t: Tensor) => t.attributes.permutation as readonly number[]
const orderKey = (t: Tensor, permutation: readonly number[]) => `${t.inputs[0]!.id} ${permutation}`
const swapped = (axes: readonly number[]): number[] => [
  ...axes.slice(0, -2),
  axes[axes.length - 1]!,
  axes[axes.length - 2]!,
]
const keepsRows = (t: Tensor) => t.op === 'transpose' && t.rank >= 3 && permutationOf(t)[t.rank - 1] === t.rank - 1
