import { apply, countUses, type PrimitiveName, sizeOf, type Tensor, topologicalOrder } from '../../tensor/index.ts'
import { rewrite } from './rewrite.ts'

/**
 * Rows of a left operand that lie a multiple of 4096 bytes apart fall into the same sets of the first-level cache, and
 * the matrix product's kernel, which reads twelve rows side by side, evicts its own data: [1024, 3072] x [3072, 768] runs
 * at 127 GFLOP/s, and at 175 with 16 more columns of zeros (two cores of a Zen 4). MLPs are built to such widths, so
 * the hidden layer is widened by zeros: its weights are padded, which costs little beside many rows, and zeros stay
 * zeros through the activation. A hidden layer that something else reads is padded itself.
 */
const ALIASED_FLOATS = 1024
const EXTRA = 16
/** Below this, padding the weights costs more than the product gains. */
const FEWEST_ROWS = 512

/** f(0) = 0. */
const ZERO_PRESERVING: ReadonlySet<PrimitiveName> = new Set([
  'gelu',
  'silu',
  'relu',
  'neg',
  'tanh',
  'erf',
  'sign',
  'abs',
])

export function padProducts(outputs: readonly Tensor[]): Tensor[] {
  const order = topologicalOrder(outputs)
  const uses = countUses(order, outputs)
  return rewrite(outputs, (t, inputs, rebuilt) => {
    if (!isAliased(t)) return undefined
    const [a, b] = inputs as [Tensor, Tensor]
    const widened = widen(t.inputs[0]!, { uses: (x) => uses.get(x)!, rebuilt })
    return (widened ?? padLast(a)).matmul(padRows(b))
  })
}

interface Surroundings {
  /** How many nodes and outputs read a tensor. */
  readonly uses: (x: Tensor) => number
  readonly rebuilt: (x: Tensor) => Tensor
}

function isAliased(t: Tensor): boolean {
  if (t.op !== 'matmul' || t.dtype !== 'float32') return false
  const [a, b] = t.inputs as [Tensor, Tensor]
  const inner = a.shape[a.rank - 1]!
  // A transposed operand is read where it lies: its rows are columns in memory.
  return !isTransposed(a) && b.rank === 2 && inner % ALIASED_FLOATS === 0 && sizeOf(a.shape) / inner >= FEWEST_ROWS
}

/**
 * x with EXTRA zero columns, by padding the weights that it is computed from: a product with a matrix, plus a vector,
 * through functions that keep zero. Undefined when something else reads a step of it, or it is not of that form.
 */
function widen(x: Tensor, around: Surroundings): Tensor | undefined {
  const { uses, rebuilt } = around
  if (x.pinned || uses(x) !== 1) return undefined
  const [a, b] = x.inputs as [Tensor, Tensor]
  if (x.op === 'matmul' && b.rank === 2) return rebuilt(a).matmul(padColumns(rebuilt(b)))
  if (x.op === 'add' && b.rank === 1) return widen(a, around)?.add(padLast(rebuilt(b)))
  if (x.op === 'mul') {
    const left = widen(a, around)
    const right = left && widen(b, around)
    return right && left.mul(right)
  }
  if (!ZERO_PRESERVING.has(x.op)) return undefined
  const inner = widen(a, around)
  return inner && apply(x.op, [inner], x.attributes)
}

function padLast(x: Tensor): Tensor {
  return x.pad(
    x.shape.map(() => 0),
    x.shape.map((_, axis) => (axis === x.rank - 1 ? EXTRA : 0)),
  )
}

const padRows = (matrix: Tensor): Tensor =>
  isTransposed(matrix) ? padLast(matrix.transpose(1, 0)).transpose(1, 0) : matrix.pad([0, 0], [EXTRA, 0])
const padColumns = (matrix: Tensor): Tensor =>
  isTransposed(matrix) ? matrix.transpose(1, 0).pad([0, 0], [EXTRA, 0]).transpose(1, 0) : padLast(matrix)
/** A stored matrix read as its transpose: padded where it lies. */
const isTransposed = (matrix: Tensor) => matrix.op === 'transpose' && !matrix.pinned
