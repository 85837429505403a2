import { type Tensor, topologicalOrder } from '../../tensor/index.ts'
import { rewrite } from './rewrite.ts'

/**
 * Column picking: where only chosen columns of a product with a 2-d matrix are ever read, the columns are picked before
 * the product. A logit difference then multiplies each row by two unembedding columns instead of the whole vocabulary:
 * `gather_elements(x W + b, i)` becomes `sum(x * W[:, i]) + b[i]`. Shifts that all columns share pass through.
 */
export function pickColumns(outputs: readonly Tensor[]): Tensor[] {
  const order = topologicalOrder(outputs)
  const onlyPicked = pickedOnly(order, outputs)
  return rewrite(outputs, (t, inputs) => {
    if (t.op !== 'gather_elements') return undefined
    const [x, indices] = inputs as [Tensor, Tensor]
    const axis = t.attributes.axis as number
    const fewer = indices.shape[axis]! * 8 <= x.shape[axis]!
    if (axis !== x.rank - 1 || !fewer || !onlyPicked.has(t.inputs[0]!)) return undefined
    return pickFrom(x, indices)
  })
}

/** The tensors of which every use, through reshapes and additions of a vector, is a pick of columns. */
function pickedOnly(order: readonly Tensor[], outputs: readonly Tensor[]): Set<Tensor> {
  const whole = new Set<Tensor>(outputs)
  const result = new Set<Tensor>()
  for (const t of order.toReversed()) {
    if (!whole.has(t)) result.add(t)
    t.inputs.forEach((input, i) => {
      const picks = t.op === 'gather_elements' && i === 0 && t.attributes.axis === t.rank - 1
      if (!picks && !(passes(t, input) && !whole.has(t))) whole.add(input)
    })
  }
  return result
}

/** Whether picking columns of t is picking columns of this input: other axes reshaped, or a vector added. */
function passes(t: Tensor, input: Tensor): boolean {
  const columns = t.shape[t.rank - 1]
  if (input.shape[input.rank - 1] !== columns) return false
  return t.op === 'reshape' || (t.op === 'add' && input === t.inputs[0] && t.inputs[1]!.rank === 1)
}

/** x[..., indices] along the last axis, traced from what x is made of. */
function pickFrom(x: Tensor, indices: Tensor): Tensor | undefined {
  const columns = x.shape[x.rank - 1]!
  const count = indices.shape[indices.rank - 1]!
  if (x.op === 'reshape' && x.inputs[0]!.rank >= 1 && x.inputs[0]!.shape[x.inputs[0]!.rank - 1] === columns) {
    const inner = x.inputs[0]!
    return pickFrom(inner, indices.reshape(...inner.shape.slice(0, -1), count))?.reshape(...indices.shape)
  }
  if (x.op === 'add' && x.inputs[1]!.rank === 1) {
    return pickFrom(x.inputs[0]!, indices)?.add(x.inputs[1]!.gather(indices, 0))
  }
  if (x.op !== 'matmul' || x.inputs[1]!.rank !== 2) return undefined
  const [rows, matrix] = x.inputs as [Tensor, Tensor]
  // The picked columns as rows, [..., count, k]: straight from a matrix that is stored transposed, as embeddings are.
  const picked =
    matrix.op === 'transpose'
      ? matrix.transpose(1, 0).gather(indices, 0)
      : matrix.gather(indices, 1).transpose(...indices.shape.map((_, axis) => axis + 1), 0)
  // times the rows [..., 1, k], summed over k: [..., count]
  return picked.mul(rows.unsqueeze(-2)).sum(-1)
}
