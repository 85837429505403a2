import type { Tensor } from '../tensor/index.ts'
import { CONTRIB, type GraphBuilder } from './builder.ts'
import type { Fused } from './fusion.ts'

/**
 * Row blocks: a product of very many rows with one matrix is emitted as a batch of products of some 256 rows each.
 * ONNX Runtime's kernel walks over all rows once for every 128 x 128 panel of the matrix; where the rows do not fit into
 * the second-level cache, each walk reads them from further away. [4096, 256] x [256, 704] runs at 65 GFLOP/s in one
 * piece and at 95 in blocks (one core of a Zen 4).
 */
const FEWEST_ROWS = 2048
const [LEAST_BLOCK, BLOCK, LARGEST_BLOCK] = [128, 256, 512]

/** How a product of many rows with a matrix that is not resident (that one would be stored twice) is emitted in blocks. */
export function rowBlocks(t: Tensor, isResident: (input: Tensor) => boolean): Fused | undefined {
  const [x, matrix] = t.inputs as [Tensor, Tensor]
  // The kernel reads a transposed left operand where it lies; its rows are no blocks of memory.
  if (matrix.rank !== 2 || x.op === 'transpose' || isResident(source(matrix))) return undefined
  const blocks = blockCount(rowCount(t))
  if (blocks === undefined) return undefined
  const stored = matrix.op === 'transpose' ? matrix.inputs[0]! : matrix
  return { inputs: [x, stored], emit: (builder, inputs) => emitBlocks(builder, inputs, t, stored, blocks) }
}

/** What a matrix is a view or an elementwise function of. */
function source(matrix: Tensor): Tensor {
  return matrix.inputs.length === 1 ? source(matrix.inputs[0]!) : matrix
}

/** Into how many equal blocks `rows` are cut: an even number, for two threads; undefined where none fits. */
function blockCount(rows: number): number | undefined {
  if (rows < FEWEST_ROWS) return undefined
  let best: number | undefined
  for (let count = 2; rows / count >= LEAST_BLOCK; count += 2) {
    if (rows % count !== 0 || rows / count > LARGEST_BLOCK) continue
    if (best === undefined || Math.abs(rows / count - BLOCK) < Math.abs(rows / best - BLOCK)) best = count
  }
  return best
}

function emitBlocks(
  builder: GraphBuilder,
  [x, matrix]: readonly string[],
  t: Tensor,
  stored: Tensor,
  blocks: number,
): string {
  const inner = t.inputs[1]!.shape[0]!
  const reshape = (name: string, shape: readonly number[]) => builder.node('Reshape', [name, builder.int64s(shape)])
  // [..., rows, k] -> [2, blocks / 2, rows / blocks, k]. The matrix is doubled to [2, 1, k, n], because ONNX Runtime
  // takes a batch with a single matrix for one large product again.
  const rows = reshape(x!, [2, blocks / 2, rowCount(t) / blocks, inner])
  const matrices = builder.node('Expand', [matrix!, builder.int64s([2, 1, ...stored.shape])])
  const transB = stored === t.inputs[1] ? 0 : 1
  return reshape(builder.node('FusedMatMul', [rows, matrices], { transB }, CONTRIB), t.shape)
}

const rowCount = (t: Tensor) => t.size / t.shape[t.rank - 1]!
