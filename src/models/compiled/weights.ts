import { type RandomSource, randomSource } from '../../random/index.ts'
import { add, fill, identity, type Matrix, multiply, orthogonal, transpose } from './matrix.ts'
import type { Circuit } from './place.ts'

/** The float32 weights of a placed circuit in TransformerLens's names and shapes, in a random basis of the residual stream. */
export function circuitWeights(
  circuit: Circuit,
  seed: number,
): Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }> {
  const random = randomSource(seed, 'basis')
  const width = circuit.embedding.columns
  const basis = circuit.norm === 'LN' ? basisWithMean(width, random) : orthogonal(width, random)
  const back = transpose(basis)
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  const put = (name: string, shape: readonly number[], ...matrices: readonly Matrix[]) => {
    weights.set(name, { shape, data: Float32Array.from(matrices.flatMap(({ data }) => [...data])) })
  }
  const { embedding, positions, unembedding, headSize } = circuit
  put('embed.W_E', [embedding.rows, width], multiply(embedding, basis))
  put('pos_embed.W_pos', [positions.rows, width], multiply(positions, basis))
  circuit.layers.forEach(({ heads, mlp }, l) => {
    // Queries and keys share a basis within the head, values and outputs another.
    const own = heads.map((head) => [head, orthogonal(headSize, random), orthogonal(headSize, random)] as const)
    const inward = [heads.length, width, headSize]
    const read = (weight: Matrix, within: Matrix) => multiply(multiply(back, weight), within)
    put(`blocks.${l}.attn.W_Q`, inward, ...own.map(([head, qk]) => read(head.query, qk)))
    put(`blocks.${l}.attn.W_K`, inward, ...own.map(([head, qk]) => read(head.key, qk)))
    put(`blocks.${l}.attn.W_V`, inward, ...own.map(([head, , ov]) => read(head.value, ov)))
    const outputs = own.map(([head, , ov]) => multiply(multiply(transpose(ov), head.output), basis))
    put(`blocks.${l}.attn.W_O`, [heads.length, headSize, width], ...outputs)
    if (!mlp) return
    const size = mlp.writes.rows
    put(`blocks.${l}.mlp.W_in`, [width, size], multiply(back, mlp.reads))
    put(`blocks.${l}.mlp.b_in`, [size], mlp.readBias)
    put(`blocks.${l}.mlp.W_out`, [size, width], multiply(mlp.writes, basis))
    put(`blocks.${l}.mlp.b_out`, [width], multiply(mlp.writeBias, basis))
  })
  put('unembed.W_U', [width, unembedding.columns], multiply(back, unembedding))
  return weights
}

/** An orthonormal basis whose first row is the direction (1, 1, ...): a random one behind a Householder reflection. */
function basisWithMean(size: number, random: RandomSource): Matrix {
  const others = orthogonal(size - 1, random)
  const turned = fill(size, size, (row, column) =>
    row === 0 || column === 0 ? (row === column ? 1 : 0) : others.data[(row - 1) * (size - 1) + column - 1]!,
  )
  const mean = 1 / Math.sqrt(size)
  const normalOf = Float64Array.from({ length: size }, (_, i) => (i === 0 ? 1 : 0) - mean)
  const square = normalOf.reduce((sum, x) => sum + x * x, 0)
  const reflection = add(
    identity(size),
    fill(size, size, (row, column) => normalOf[row]! * normalOf[column]!),
    -2 / square,
  )
  return multiply(turned, reflection)
}
