import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { randomSource } from '../../test/support/random.ts'
import { largestDifference, randomTensor, runGraph } from '../../test/support/run-graph.ts'
import type { Tensor } from '../tensor/index.ts'
import { emit } from './emit.ts'

const random = randomSource(5)
const draw = (...shape: number[]) => randomTensor(random, shape)

/** Which of these operators the emitted model has; their names stand in its bytes after their field tag (0x22) and length. */
function operators(output: Tensor, gpu = false): string[] {
  const text = new TextDecoder('latin1').decode(emit([output], { gpu }).bytes)
  const names = ['FusedMatMul', 'MatMul', 'Transpose', 'Expand']
  return names.filter((name) => text.includes(`"${String.fromCharCode(name.length)}${name}`))
}

const products: [string, Tensor, string[]][] = [
  [
    'a swapped left operand',
    draw(2, 3, 5, 4)
      .transpose()
      .matmul(draw(2, 3, 5, 6)),
    ['FusedMatMul'],
  ],
  ['a swapped right operand', draw(2, 3, 4, 5).matmul(draw(2, 3, 6, 5).transpose()), ['FusedMatMul']],
  [
    'two swapped operands',
    draw(2, 5, 4)
      .transpose()
      .matmul(draw(2, 6, 5).transpose()),
    ['FusedMatMul'],
  ],
  ['very many rows', draw(2048, 4).matmul(draw(4, 3)), ['FusedMatMul', 'Expand']],
  ['very many rows and a transposed matrix', draw(8, 256, 4).matmul(draw(3, 4).transpose()), ['FusedMatMul', 'Expand']],
]

describe.each(products)('a product of %s', (_, product, expected) => {
  it('copies no operand', () => expect(operators(product)).toEqual(expected))

  it('is the product', async () => {
    const [actual] = await runGraph([product])
    expect(largestDifference(actual!, evaluate([product])[0]!)).toBeLessThan(3e-6)
  })

  it('is left as it is for a graphics device', () => expect(operators(product, true)).toContain('MatMul'))
})

it('other orders of axes are copied', () => {
  const product = draw(2, 5, 3, 4)
    .transpose(0, 2, 3, 1)
    .matmul(draw(2, 3, 5, 6))
  expect(operators(product)).toEqual(['MatMul', 'Transpose'])
})
