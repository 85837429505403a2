import { describe, expect, it } from 'vitest'
import { evaluate } from '../../../test/support/evaluate.ts'
import { randomSource, uniform } from '../../../test/support/random.ts'
import { input, type Tensor, tensor, topologicalOrder } from '../../tensor/index.ts'
import { padProducts } from './pad-products.ts'

const rows = 512
const hidden = 1024
const random = randomSource(7)
const draw = (...shape: number[]) => tensor(Float32Array.from(uniform(shape, random)), shape)
const count = (outputs: readonly Tensor[], op: string) => topologicalOrder(outputs).filter((t) => t.op === op).length

describe('padProducts', () => {
  const x = draw(rows, 2)
  const [wIn, bias, wOut] = [draw(2, hidden), draw(hidden), draw(hidden, 2)]
  const pre = x.matmul(wIn).add(bias)
  const post = pre.gelu('tanh')
  const out = post.matmul(wOut)

  it('widens a hidden layer by its weights, and leaves the result as it was', () => {
    const padded = padProducts([out])
    expect(count(padded, 'pad')).toBe(3) // W_in, its bias, W_out
    expect(evaluate(padded)[0]).toEqual(evaluate([out])[0])
  })

  it('pads the hidden layer itself when something else reads it', () => {
    const padded = padProducts([out, post])
    expect(count(padded, 'pad')).toBe(2) // the activation and W_out
    expect(evaluate(padded)[0]).toEqual(evaluate([out])[0])
    expect(padded[1]).toBe(post)
  })

  it('widens a gated layer stored as transposes', () => {
    const [gate, up, down] = [draw(hidden, 2), draw(hidden, 2), draw(2, hidden)]
    const gated = x.matmul(gate.transpose()).silu().mul(x.matmul(up.transpose())).matmul(down.transpose())
    const padded = padProducts([gated])
    expect(count(padded, 'pad')).toBe(3)
    expect(evaluate(padded)[0]).toEqual(evaluate([gated])[0])
  })

  it('does not widen through what does not keep zero', () => {
    const shifted = pre.exp().matmul(wOut)
    const padded = padProducts([shifted])
    expect(evaluate(padded)[0]).toEqual(evaluate([shifted])[0])
  })

  it('leaves few rows and harmless widths alone', () => {
    const few = draw(8, hidden).matmul(wOut)
    const harmless = input('x', [rows, 1000]).matmul(input('w', [1000, 2]))
    expect(padProducts([few, harmless])).toEqual([few, harmless])
  })
})
