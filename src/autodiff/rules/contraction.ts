import { einsum, sameShape, type Tensor } from '../../tensor/index.ts'
import type { VjpRule } from '../rule.ts'

export const contractionRules = {
  matmul(g, y) {
    const [a, b] = y.inputs as [Tensor, Tensor]
    // [.., m, n] x [.., n, k] and [.., k, m] x [.., m, n], unless an operand was repeated along batch axes of the result
    const gradA = isRepeated(a, g) ? contractBatch(g, 'mn', b, 'kn', a, 'mk') : g.matmul(b.transpose())
    const gradB = isRepeated(b, g) ? weightGradient(a, g, b) : a.transpose().matmul(g)
    return [gradA, gradB]
  },
} satisfies Record<string, VjpRule>

/**
 * The gradient of b, a^T g, as the product whose transposed left operand is the wider one: the kernel transposes that
 * operand anew for every 128 columns of the other. Among equals the one that lies as b is stored.
 */
function weightGradient(a: Tensor, g: Tensor, b: Tensor): Tensor {
  const [k, n] = b.shape.slice(-2) as [number, number]
  const gradientFirst = n > k || (n === k && b.op === 'transpose')
  return gradientFirst ? contractBatch(g, 'mn', a, 'mk', b, 'kn') : contractBatch(a, 'mk', g, 'mn', b, 'kn')
}

function isRepeated(x: Tensor, g: Tensor): boolean {
  return !sameShape(x.shape.slice(0, -2), g.shape.slice(0, -2))
}

/**
 * One matrix product that also sums over the batch axes along which `like` was repeated: the gradient of a weight [d, n]
 * under [B, P, d] is [d, B*P] x [B*P, n], instead of B products of which each is written out and then summed.
 */
function contractBatch(x: Tensor, xCore: string, y: Tensor, yCore: string, like: Tensor, core: string): Tensor {
  const batchRank = Math.max(x.rank, y.rank) - 2
  const left = batchLetters(x, batchRank)
  const right = batchLetters(y, batchRank)
  const output = batchLetters(like, batchRank).letters
  const equation = `${left.letters}${xCore},${right.letters}${yCore}->${output}${core}`
  return einsum(equation, left.squeezed, right.squeezed).reshape(...like.shape)
}

/** A capital for each batch axis larger than 1, counted from the matrix axes outwards, and the tensor without the other batch axes. */
function batchLetters(x: Tensor, batchRank: number): { letters: string; squeezed: Tensor } {
  const offset = batchRank - (x.rank - 2)
  const kept = x.shape.slice(0, -2).flatMap((n, i) => (n === 1 ? [] : [i]))
  const letters = kept.map((i) => String.fromCharCode('A'.charCodeAt(0) + offset + i)).join('')
  return { letters, squeezed: x.reshape(...kept.map((i) => x.shape[i]!), ...x.shape.slice(-2)) }
}
