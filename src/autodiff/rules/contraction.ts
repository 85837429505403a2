import { einsum, sameShape, type Tensor } from '../../tensor/index.ts'
import type { VjpRule } from '../rule.ts'

export const contractionRules = {
  matmul(g, y) {
    const [a, b] = y.inputs as [Tensor, Tensor]
    // [.., m, n] x [.., n, k] and [.., k, m] x [.., m, n], unless an operand was repeated along batch axes of the result
    const gradA = isRepeated(a, g) ? contractBatch(g, 'mn', b, 'kn', a, 'mk') : g.matmul(b.transpose())
    return [gradA, gradientOfRight(a, b, g)]
  },
} satisfies Record<string, VjpRule>

/** a^T g: [.., k, m] x [.., m, n]. */
function gradientOfRight(a: Tensor, b: Tensor, g: Tensor): Tensor {
  const swap = gradientFirst(b)
  if (!isRepeated(b, g)) return swap ? g.transpose().matmul(a).transpose() : a.transpose().matmul(g)
  return swap ? contractBatch(g, 'mn', a, 'mk', b, 'kn') : contractBatch(a, 'mk', g, 'mn', b, 'kn')
}

/** Whether b's gradient a^T g is computed as the transpose of g^T a: the cheaper of the two, or as b is stored. */
function gradientFirst(b: Tensor): boolean {
  const [k, n] = b.shape.slice(-2) as [number, number]
  return k === n ? b.op === 'transpose' : transposedProductCost(n, k) < transposedProductCost(k, n)
}

/**
 * What a product of a transposed left operand costs beside its arithmetic, per row of both: the kernel transposes all
 * columns of the left operand anew for every 128 columns of the right one, and packs those once.
 */
const transposedProductCost = (left: number, right: number) => 2 * left * Math.ceil(right / 128) + right

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
