import { expect, it } from 'vitest'
import { countUses, input, layerNorm, printGraph, topologicalOrder } from './index.ts'

it('a printed graph is one line per node, inputs before users', () => {
  const x = input('x', [2, 4])
  const { scale, normalized } = layerNorm(x, 1e-5)
  const logits = normalized.get(':', -1).mul(0.5)
  expect(printGraph({ scale, logits })).toMatchInlineSnapshot(`
    "%0 = input name=x : float32[2, 4]
    %1 = reduce_sum %0 axes=[1] keepdims=true : float32[2, 1]
    %2 = constant value=0.25 dtype=float32 : float32[]
    %3 = mul %1 %2 : float32[2, 1]
    %4 = sub %0 %3 : float32[2, 4]
    %5 = mul %4 %4 : float32[2, 4]
    %6 = reduce_sum %5 axes=[1] keepdims=true : float32[2, 1]
    %7 = constant value=0.25 dtype=float32 : float32[]
    %8 = mul %6 %7 : float32[2, 1]
    %9 = constant value=0.00001 dtype=float32 : float32[]
    %10 = add %8 %9 : float32[2, 1]
    %11 = sqrt %10 : float32[2, 1]
    %12 = div %4 %11 : float32[2, 4]
    %13 = slice %12 starts=[0,3] ends=[2,4] steps=[1,1] : float32[2, 1]
    %14 = reshape %13 shape=[2] : float32[2]
    %15 = input name= : float32[]
    %16 = mul %14 %15 : float32[2]
    return scale = %11
    return logits = %16"
  `)
})

it('orders each tensor once and counts its uses', () => {
  const x = input('x', [2])
  const y = x.square()
  const z = y.add(x)
  const order = topologicalOrder([z, y])
  expect(order).toEqual([x, y, z])
  expect(countUses(order, [z, y])).toEqual(
    new Map([
      [x, 3],
      [y, 2],
      [z, 1],
    ]),
  )
})

it('orders graphs deeper than the call stack', () => {
  let x = input('x', [1])
  for (let i = 0; i < 50_000; i++) x = x.exp()
  expect(topologicalOrder([x])).toHaveLength(50_001)
})
