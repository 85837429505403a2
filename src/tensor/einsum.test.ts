import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { einsum, input, printGraph, type Shape, sizeOf, stridesOf, type Tensor, topologicalOrder } from './index.ts'

/** Sums the products over every assignment of the letters, as the definition says. */
function naive(inputs: string[], output: string, sizes: Map<string, number>, data: Float64Array[]): Float64Array {
  const letters = [...sizes.keys()]
  const offset = (term: string, at: Map<string, number>) => {
    const strides = stridesOf([...term].map((c) => sizes.get(c)!))
    return [...term].reduce((sum, c, axis) => sum + at.get(c)! * strides[axis]!, 0)
  }
  const result = new Float64Array(sizeOf([...output].map((c) => sizes.get(c)!)))
  const visit = (at: Map<string, number>) => {
    const letter = letters[at.size]
    if (letter === undefined) {
      const to = offset(output, at)
      result[to] = result[to]! + inputs.reduce((product, term, i) => product * data[i]![offset(term, at)]!, 1)
      return
    }
    for (let i = 0; i < sizes.get(letter)!; i++) visit(new Map(at).set(letter, i))
  }
  visit(new Map())
  return result
}

/** A random equation over a..e with sizes 1..3, of tensors or of transposed views. */
const equations = fc
  .record({
    inputs: fc.array(fc.shuffledSubarray([...'abcde'], { maxLength: 4 }), { minLength: 1, maxLength: 2 }),
    sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 5, maxLength: 5 }),
    stored: fc.boolean(),
  })
  .chain(({ inputs, sizes, stored }) =>
    fc.record({
      inputs: fc.constant(inputs.map((letters) => letters.join(''))),
      output: fc.shuffledSubarray([...new Set(inputs.flat())]).map((letters) => letters.join('')),
      sizes: fc.constant(new Map([...'abcde'].map((c, i) => [c, sizes[i]!]))),
      stored: fc.constant(stored),
    }),
  )

describe('einsum', () => {
  it('agrees with its definition on random equations, also of transposed views', () => {
    fc.assert(
      fc.property(equations, ({ inputs, output, sizes, stored }) => {
        const used = new Map([...sizes].filter(([c]) => inputs.some((letters) => letters.includes(c))))
        const feeds = new Map<Tensor, Float64Array>()
        const data: Float64Array[] = []
        const operands = inputs.map((letters, i) => {
          const shape = [...letters].map((c) => sizes.get(c)!)
          const flat = Float64Array.from({ length: sizeOf(shape) }, (_, k) => ((k * 7 + i * 3) % 11) - 5)
          data.push(flat)
          if (!stored || shape.length === 0) return feed(shape, flat)
          // the same values as the transpose of a tensor whose axes lie in reverse
          const reversed = shape.map((_, axis) => shape.length - 1 - axis)
          const under = evaluate([feed(shape, flat).transpose(...reversed)], feeds)[0]!
          return feed(shape.toReversed(), under).transpose(...reversed)
        })
        function feed(shape: Shape, flat: Float64Array): Tensor {
          const x = input('', shape, 'float64')
          feeds.set(x, flat)
          return x
        }
        const result = einsum(`${inputs.join(',')}->${output}`, ...operands)
        expect(result.shape).toEqual([...output].map((c) => sizes.get(c)!))
        expect([...evaluate([result], feeds)[0]!]).toEqual([...naive(inputs, output, used, data)])
      }),
      { numRuns: 1000 },
    )
  })

  it('multiplies a transposed view where its values lie', () => {
    const weight = input('W_Q', [8, 6]).transpose().reshape(6, 2, 4) // stored [h*e, d]
    const stored = input('W_U', [7, 6]).transpose() // [d, v], stored [v, d]
    const logits = einsum('bpd,dv->bpv', input('x', [2, 3, 6]), stored)
    expect(topologicalOrder([logits]).filter((t) => t.op === 'transpose')).toHaveLength(1)
    expect(printGraph({ logits })).toMatchInlineSnapshot(`
      "%0 = input name=x : float32[2, 3, 6]
      %1 = input name=W_U : float32[7, 6]
      %2 = transpose %1 permutation=[1,0] : float32[6, 7]
      %3 = matmul %0 %2 : float32[2, 3, 7]
      return logits = %3"
    `)
    expect(einsum('bpd,dhe->bphe', input('x', [2, 3, 6]), weight).shape).toEqual([2, 3, 2, 4])
  })

  it('refuses equations that do not fit', () => {
    const x = input('x', [2, 3])
    expect(() => einsum('ab->c', x)).toThrow("output axis 'c' of 'ab->c' is in no input")
    expect(() => einsum('ab', x)).toThrow('must name one or two inputs and an output')
    expect(() => einsum('ab,bc->ac', x)).toThrow('match the 1 tensors given')
    expect(() => einsum('aa->a', x)).toThrow("'aa' in 'aa->a' must be distinct letters")
    expect(() => einsum('abc->a', x)).toThrow('names 3 axes, the tensor has shape [2, 3]')
    expect(() => einsum('ab,ab->a', x, input('y', [2, 4]))).toThrow("axis 'b' of 'ab,ab->a' is 3 in one input and 4")
  })
})
