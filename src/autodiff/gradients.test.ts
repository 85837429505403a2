import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { randomSource, uniform } from '../../test/support/random.ts'
import {
  crossEntropy,
  einsum,
  input,
  layerNorm,
  type PrimitiveName,
  printGraph,
  rmsNorm,
  type Shape,
  type Tensor,
  tensor,
} from '../tensor/index.ts'
import { grad, gradients, type VjpRule, valueAndGrad, vjp, vjpRules } from './index.ts'

const float = (name: string, ...shape: number[]) => input(name, shape, 'float64')

/** |u.Hv - v.Hu| relative to their size, for random u and v, by the gradient of (gradient . v). */
function hessianAsymmetry(shapes: Shape[], f: (...args: Tensor[]) => Tensor): number {
  const random = randomSource(3)
  const args = shapes.map((shape, i) => float(`x${i}`, ...shape))
  const feeds = new Map(args.map((arg) => [arg, uniform(arg.shape, random, -1, 1)]))
  const direction = () => shapes.map((shape) => tensor(uniform(shape, random), shape))
  const dot = (a: Tensor[], b: Tensor[]) => a.map((t, i) => t.mul(b[i]!).sum()).reduce((s, t) => s.add(t))
  const first = gradients([f(...args)], args)
  const [u, v] = [direction(), direction()]
  const along = (w: Tensor[]) => gradients([dot(first, w)], args)
  const [uHv, vHu] = evaluate([dot(u, along(v)), dot(v, along(u))], feeds).map(([value]) => value!)
  expect(Math.abs(uHv!)).toBeGreaterThan(1e-3) // a Hessian of zeros would be symmetric too
  return Math.abs(uHv! - vHu!) / Math.abs(uHv!)
}

describe('second derivatives: the Hessian is symmetric', () => {
  it('layer norm and a GELU MLP', () => {
    const f = (kind: 'none' | 'tanh') => (x: Tensor, w: Tensor, b: Tensor, out: Tensor) =>
      layerNorm(x, 1e-5).normalized.matmul(w).add(b).gelu(kind).matmul(out).square().sum()
    const shapes = [[2, 3, 4], [4, 5], [5], [5, 4]]
    expect(hessianAsymmetry(shapes, f('none'))).toBeLessThan(1e-10)
    expect(hessianAsymmetry(shapes, f('tanh'))).toBeLessThan(1e-10)
  })
  it('attention with a causal softmax', () => {
    const causal = tensor([1, 0, 0, 1, 1, 0, 1, 1, 1], [3, 3], 'bool')
    const f = (x: Tensor, wq: Tensor, wk: Tensor, wv: Tensor) => {
      const [q, k, v] = [wq, wk, wv].map((w) => einsum('bpd,hde->bphe', x, w)) as [Tensor, Tensor, Tensor]
      const scores = einsum('bqhe,bkhe->bhqk', q, k).div(Math.sqrt(2))
      const pattern = causal.where(scores, Number.NEGATIVE_INFINITY).softmax()
      return einsum('bhqk,bkhe->bqhe', pattern, v).square().sum()
    }
    const weight = [2, 4, 2]
    expect(hessianAsymmetry([[2, 3, 4], weight, weight, weight], f)).toBeLessThan(1e-10)
  })
  it('RMS norm and a SiLU gate', () => {
    const f = (x: Tensor, gate: Tensor, up: Tensor) => {
      const { normalized } = rmsNorm(x, 1e-6)
      return normalized.matmul(gate).silu().mul(normalized.matmul(up)).square().mean()
    }
    expect(
      hessianAsymmetry(
        [
          [2, 3, 4],
          [4, 5],
          [4, 5],
        ],
        f,
      ),
    ).toBeLessThan(1e-10)
  })
  it('cross-entropy', () => {
    const targets = tensor([1, 4, 0], [3], 'int64')
    const f = (x: Tensor, unembed: Tensor) => crossEntropy(x.matmul(unembed), targets).mean()
    expect(
      hessianAsymmetry(
        [
          [3, 4],
          [4, 5],
        ],
        f,
      ),
    ).toBeLessThan(1e-10)
  })
})

describe('gradients', () => {
  const values = (tensors: Tensor[], feeds: [Tensor, number[]][] = []) =>
    evaluate(tensors, new Map(feeds)).map((v) => [...v])

  it('of an unreachable tensor is zeros of its type', () => {
    const [x, y] = [input('x', [2]), input('y', [2, 3], 'float16')]
    const [, unreached] = gradients([x.sum()], [x, y])
    expect([unreached!.dtype, unreached!.shape, values([unreached!])]).toEqual([
      'float16',
      [2, 3],
      [[0, 0, 0, 0, 0, 0]],
    ])
  })
  it('of intermediate tensors that depend on each other is total', () => {
    const x = float('x', 2)
    const early = x.mul(3)
    const late = early.square()
    const output = late.sum().add(early.sum())
    const at: [Tensor, number[]][] = [[x, [1, 2]]]
    expect(values(gradients([output], [late, early, x]), at)).toEqual([
      [1, 1],
      [7, 13],
      [21, 39],
    ])
  })
  it('of an output with respect to itself, and of repeated outputs and arguments', () => {
    const x = float('x', 2)
    const y = x.mul(2).sum()
    expect(values(gradients([y], [y, x, x]))).toEqual([[1], [2, 2], [2, 2]])
    expect(values(gradients([y, y], [x]))).toEqual([[4, 4]])
  })
  it('weighs outputs by their cotangents', () => {
    const x = float('x', 2)
    const cotangents = [tensor([3, 5], [2], 'float64'), tensor([10], [], 'float64')]
    expect(values(gradients([x.mul(2), x.sum()], [x], cotangents))).toEqual([[16, 20]])
  })
  it('a pinned view is differentiated, one that was bypassed is an error', () => {
    const x = float('x', 2, 3)
    const pinned = x.transpose().pin()
    expect(values(gradients([pinned.reshape(6).mul(2).sum()], [pinned]))).toEqual([[2, 2, 2, 2, 2, 2]])
    const z = einsum('bqk,bke->bqe', float('pattern', 2, 3, 3), float('v', 2, 3, 2))
      .transpose(1, 0, 2)
      .pin()
    const out = einsum('qbe,ed->bqd', z, float('w', 2, 4))
    expect(gradients([out.sum()], [z])[0]!.op).not.toBe('broadcast')
    const view = x.reshape(6)
    expect(() => gradients([view.reshape(3, 2).sum()], [view])).toThrow(/pin\(\)/)
  })
  it('traces only what lies between', () => {
    const [x, w] = [float('x', 2, 3), float('w', 3, 4)]
    const hidden = x.matmul(w).tanh()
    expect(printGraph({ hidden: gradients([hidden.sum()], [hidden])[0]! })).toMatchInlineSnapshot(`
      "%0 = constant value=1 dtype=float64 : float64[]
      %1 = broadcast %0 shape=[2,4] : float64[2, 4]
      return hidden = %1"
    `)
    expect(printGraph({ x: gradients([hidden.sum()], [x])[0]! })).toMatchInlineSnapshot(`
      "%0 = constant value=1 dtype=float64 : float64[]
      %1 = input name=x : float64[2, 3]
      %2 = input name=w : float64[3, 4]
      %3 = matmul %1 %2 : float64[2, 4]
      %4 = tanh %3 : float64[2, 4]
      %5 = mul %4 %4 : float64[2, 4]
      %6 = sub %0 %5 : float64[2, 4]
      %7 = transpose %2 permutation=[1,0] : float64[4, 3]
      %8 = matmul %6 %7 : float64[2, 3]
      return x = %8"
    `)
  })
  it("a weight's gradient under a batch is one matrix product", () => {
    const [x, w] = [float('x', 2, 5, 3), float('w', 3, 4)]
    const g = float('g', 2, 5, 4)
    expect(printGraph({ w: gradients([x.matmul(w)], [w], [g])[0]! })).toMatchInlineSnapshot(`
      "%0 = input name=x : float64[2, 5, 3]
      %1 = reshape %0 shape=[10,3] : float64[10, 3]
      %2 = transpose %1 permutation=[1,0] : float64[3, 10]
      %3 = input name=g : float64[2, 5, 4]
      %4 = reshape %3 shape=[10,4] : float64[10, 4]
      %5 = matmul %2 %4 : float64[3, 4]
      return w = %5"
    `)
    expect(printGraph({ x: gradients([x.matmul(w)], [x], [g])[0]! })).toMatchInlineSnapshot(`
      "%0 = input name=g : float64[2, 5, 4]
      %1 = input name=w : float64[3, 4]
      %2 = transpose %1 permutation=[1,0] : float64[4, 3]
      %3 = matmul %0 %2 : float64[2, 5, 3]
      return x = %3"
    `)
  })
  it('a primitive without a rule throws by name, only when it is in the way', () => {
    const rules = vjpRules as Partial<Record<PrimitiveName, VjpRule | 'none'>>
    const rule = rules.tanh
    delete rules.tanh
    try {
      const x = float('x', 2)
      expect(() => gradients([x.tanh().sum()], [x])).toThrow(/'tanh' has no gradient rule/)
      expect(values(gradients([float('y', 2).tanh().mul(x).sum()], [float('z')]))).toEqual([[0]])
    } finally {
      rules.tanh = rule
    }
  })
  it('refuses integers, other shapes and cotangents of another type', () => {
    const x = float('x', 2)
    const tokens = input('tokens', [2], 'int64')
    expect(() => gradients([x.sum()], [tokens])).toThrow(/differentiate with respect to is int64\[2\]/)
    expect(() => gradients([x.argmax()], [x])).toThrow(/output is int64\[\]/)
    expect(() => gradients([x], [x])).toThrow(/shape \[2\] was asked for/)
    expect(() => gradients([x], [x], [tensor([1, 1])])).toThrow(
      /Cotangent 0 is float32\[2\], its output is float64\[2\]/,
    )
    expect(() => gradients([x], [x], [])).toThrow(/1 outputs need as many cotangents, got 0/)
  })
})

describe('functional forms', () => {
  const f = (x: Tensor, y: Tensor) => x.square().mul(y).sum()
  const [x, y] = [float('x', 2), float('y', 2)]
  const feeds = new Map([
    [x, [1, 2]],
    [y, [3, 4]],
  ])
  const values = (...tensors: Tensor[]) => evaluate(tensors, feeds).map((v) => [...v])

  it('grad', () => {
    expect(values(grad(f)(x, y))).toEqual([[6, 16]])
    expect(values(grad(f, 1)(x, y))).toEqual([[1, 4]])
    expect(values(...grad(f, [1, 0])(x, y))).toEqual([
      [1, 4],
      [6, 16],
    ])
  })
  it('valueAndGrad', () => {
    const { value, gradient } = valueAndGrad(f)(x, y)
    expect(values(value, gradient)).toEqual([[19], [6, 16]])
  })
  it('grad of grad', () => {
    const second = grad((a: Tensor) => grad(f)(a, y).sum())
    expect(values(second(x))).toEqual([[6, 8]])
  })
  it('vjp', () => {
    const { outputs, pullback } = vjp((a, b) => [a.mul(b), a.sum()], x, y)
    const gradient = pullback(tensor([1, 10], [2], 'float64'), tensor([100], [], 'float64'))
    expect(values(...outputs, ...gradient)).toEqual([[3, 8], [3], [103, 140], [1, 20]])
    expect(values(...vjp((a) => a.exp().log(), x).pullback(tensor([1, 2], [2], 'float64')))).toEqual([[1, 2]])
  })
  it('refuses what is not a float scalar, and arguments that do not exist', () => {
    expect(() => grad((a: Tensor) => a)(x)).toThrow(/gave float64\[2\]; it must give a float scalar/)
    expect(() => grad((a: Tensor) => a.argmax())(x)).toThrow(/gave int64\[\]/)
    expect(() => grad(f, 2)(x, y)).toThrow(/no argument 2; 2 were given/)
  })
})
