import { apply, type Tensor } from '../../tensor/index.ts'
import { rewrite } from './rewrite.ts'
import { sinkSlices } from './sink-slices.ts'

/**
 * Row sharing: a product of looked-up rows is a look-up in the table's product, `gather(T, i) W = gather(T W, i)`, and
 * products distribute over sums. Where tokens are many more than the vocabulary and positions that their embeddings are
 * made of (small models without a norm before attention), keys, values and queries are so computed once per vocabulary
 * entry and position instead of once per token. Done only where that at least halves the rows.
 */
export function shareRows(outputs: readonly Tensor[]): Tensor[] {
  let shared = false
  const rewritten = rewrite(outputs, (t, inputs) => {
    if (t.op !== 'matmul') return undefined
    const [rows, matrix] = inputs as [Tensor, Tensor]
    const leaves = new Set<Tensor>()
    collectLeaves(rows, leaves)
    const after = [...leaves].reduce((sum, leaf) => sum + rowCount(leaf), 0)
    if (matrix.rank !== 2 || leaves.has(rows) || after * 2 > rowCount(rows)) return undefined
    shared = true
    return product(rows, matrix)
  })
  // Slices that were taken of the rows now lie behind the products: they sink to what is looked up.
  return shared ? sinkSlices(rewritten) : rewritten
}

const rowCount = (t: Tensor) => t.size / t.shape[t.rank - 1]!

/** The tensors whose rows would be multiplied: tables that are looked up in, and whatever is no sum, slice or look-up. */
function collectLeaves(t: Tensor, leaves: Set<Tensor>): void {
  const inner = passedThrough(t)
  if (inner === undefined) leaves.add(t)
  else for (const one of inner) collectLeaves(one, leaves)
}

/** What t's product follows from: undefined when t itself must be multiplied. */
function passedThrough(t: Tensor): readonly Tensor[] | undefined {
  const [first] = t.inputs
  if (t.op === 'add' && t.inputs.every((x) => x.rank >= 1 && x.shape[x.rank - 1] === t.shape[t.rank - 1]))
    return t.inputs
  if (t.op === 'gather' && t.attributes.axis === 0 && first!.rank === 2) return [first!]
  if (t.op === 'slice' && first!.shape[t.rank - 1] === t.shape[t.rank - 1]) return [first!]
  return undefined
}

/** t W, from the products of its leaves. */
function product(t: Tensor, matrix: Tensor): Tensor {
  const inner = passedThrough(t)
  // a vector that all rows share: [d] -> [1, d] -> [n]
  if (inner === undefined) return t.rank === 1 ? t.unsqueeze(0).matmul(matrix).squeeze(0) : t.matmul(matrix)
  const [first, second] = inner.map((one) => product(one, matrix)) as [Tensor, Tensor]
  if (t.op === 'add') return first.add(second)
  if (t.op === 'gather') return first.gather(t.inputs[1]!, 0)
  const { starts, ends, steps } = t.attributes as { starts: number[]; ends: number[]; steps: number[] }
  const columns = matrix.shape[1]!
  return apply('slice', [first], { starts: [...starts.slice(0, -1), 0], ends: [...ends.slice(0, -1), columns], steps })
}
