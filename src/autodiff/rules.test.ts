import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DerivativeCase, derivativeError } from '../../test/support/differences.ts'
import { evaluate } from '../../test/support/evaluate.ts'
import { randomSource, uniform } from '../../test/support/random.ts'
import {
  apply,
  concat,
  constant,
  input,
  type PrimitiveName,
  primitives,
  type Shape,
  type Tensor,
  tensor,
} from '../tensor/index.ts'
import { gradients, vjpRules } from './index.ts'

const TOLERANCE = 1e-8

/** A function of arguments of these shapes, with values in low..high and at least 0.05 from every kink at 0. */
function check(shapes: Shape[], f: (...args: Tensor[]) => Tensor, low = -2, high = 2): DerivativeCase {
  const random = randomSource(shapes.flat().length + 1)
  const awayFromZero = (x: number) => (Math.abs(x) < 0.05 ? x + 0.1 : x)
  return { shapes, f, values: shapes.map((shape) => uniform(shape, random, low, high).map(awayFromZero)) }
}

/** Distinct values at least 0.1 apart, for ops whose result jumps where two are equal. */
function checkDistinct(shapes: Shape[], f: (...args: Tensor[]) => Tensor): DerivativeCase {
  const random = randomSource(5)
  const { values } = check(shapes, f)
  const total = values.reduce((sum, v) => sum + v.length, 0)
  const order = Array.from({ length: total }, (_, i) => ({ i, key: random() })).sort((a, b) => a.key - b.key)
  return { shapes, f, values: values.map((v) => v.map(() => order.pop()!.i * 0.1 - 1.03)) }
}

const ints = (values: number[], shape: number[] = [values.length]) => tensor(values, shape, 'int64')
const mask = (values: number[], shape: number[]) => tensor(values, shape, 'bool')
const slice = (x: Tensor, starts: number[], ends: number[], steps: number[]) =>
  apply('slice', [x], { starts, ends, steps })

/** At least one case for every primitive with a rule; `'none'` for those without. A new primitive must be added here. */
const cases: Record<PrimitiveName, DerivativeCase[] | 'none'> = {
  input: 'none',
  constant: 'none',
  iota: 'none',
  sign: 'none',
  floor: 'none',
  not: 'none',
  stop_gradient: 'none',
  equal: 'none',
  less: 'none',
  and: 'none',
  or: 'none',
  argmax: 'none',
  top_k_indices: 'none',
  neg: [check([[3]], (x) => x.neg())],
  abs: [check([[2, 3]], (x) => x.abs())],
  exp: [check([[2, 3]], (x) => x.exp())],
  log: [check([[5]], (x) => x.log(), 0.3, 4)],
  sqrt: [check([[5]], (x) => x.sqrt(), 0.3, 4)],
  sin: [check([[5]], (x) => x.sin())],
  cos: [check([[5]], (x) => x.cos())],
  tanh: [check([[5]], (x) => x.tanh())],
  erf: [check([[6]], (x) => x.erf()), check([[6]], (x) => x.erf(), -5, 5)],
  sigmoid: [check([[5]], (x) => x.sigmoid(), -5, 5)],
  relu: [check([[7]], (x) => x.relu())],
  silu: [check([[7]], (x) => x.silu(), -5, 5)],
  gelu: [
    check([[7]], (x) => x.gelu('none'), -5, 5),
    check([[7]], (x) => x.gelu('tanh'), -5, 5),
    check([[7]], (x) => x.gelu()),
  ],
  cast: [check([[3]], (x) => x.cast('float32').square().cast('float64'))],
  add: [
    check(
      [
        [2, 3],
        [2, 3],
      ],
      (a, b) => a.add(b).exp(),
    ),
    check([[2, 3], [3]], (a, b) => a.add(b).exp()),
  ],
  sub: [
    check(
      [
        [2, 1, 3],
        [4, 1],
      ],
      (a, b) => a.sub(b).sin(),
    ),
    check([[], [2]], (a, b) => a.sub(b).sin()),
  ],
  mul: [
    check(
      [
        [2, 3],
        [2, 1],
      ],
      (a, b) => a.mul(b),
    ),
    check([[3]], (a) => a.mul(a).mul(a)),
  ],
  div: [check([[2, 3], [3]], (a, b) => a.div(b), 0.5, 2), check([[1], [2, 2]], (a, b) => a.div(b), -2, -0.5)],
  pow: [
    check([[2, 3], [3]], (a, b) => a.pow(b), 0.3, 2),
    check([[4]], (a) => a.pow(3)),
    check([[4]], (a) => a.pow(constant(3, 'float64'))),
    check([[4]], (a) => a.pow(constant(0, 'float64'))),
    check([[4]], (a) => a.pow(constant(-0.5, 'float64')), 0.4, 2),
    check([[4]], (b) => constant(2.5, 'float64').pow(b)),
  ],
  maximum: [checkDistinct([[2, 3], [3]], (a, b) => a.maximum(b).square())],
  minimum: [checkDistinct([[3], [2, 1]], (a, b) => a.minimum(b).square())],
  where: [
    check([[2, 3], [3]], (a, b) => mask([1, 0], [2, 1]).where(a, b).square()),
    check([[3]], (a) => mask([1, 0, 1], [3]).where(a, 2).exp()),
  ],
  reshape: [
    check([[2, 3]], (x) =>
      x
        .reshape(3, 2)
        .mul(tensor([1, 2, 3, 4, 5, 6], [3, 2], 'float64'))
        .exp(),
    ),
  ],
  transpose: [check([[2, 3, 2]], (x) => x.transpose(2, 0, 1).square()), check([[2, 3]], (x) => x.transpose().exp())],
  broadcast: [check([[2, 1]], (x) => x.broadcast(2, 2, 3).exp()), check([[]], (x) => x.broadcast(3).exp())],
  slice: [
    check([[4, 5]], (x) => slice(x, [1, 0], [3, 5], [1, 1]).exp()),
    check([[7, 5]], (x) => slice(x, [1, 0], [7, 4], [3, 2]).exp()),
    check([[7, 6]], (x) => slice(x, [0, 2], [7, 3], [2, 4]).exp()),
    check([[3, 2]], (x) => concat([slice(x, [2, 0], [2, 2], [1, 1]), x], 0).exp()),
  ],
  pad: [check([[2, 3]], (x) => x.pad([1, 0], [0, 2], 3).exp())],
  concat: [
    check(
      [
        [2, 3],
        [2, 1],
        [2, 2],
      ],
      (a, b, c) => concat([a, b, c], 1).exp(),
    ),
    check([[2, 2]], (a) => concat([a, a.exp()], 0).square()),
  ],
  reduce_sum: [check([[2, 3, 2]], (x) => x.sum([0, 2]).exp()), check([[2, 3]], (x) => x.sum(-1, true).mul(x))],
  reduce_max: [
    checkDistinct([[2, 3, 2]], (x) => x.max([0, 2]).square()),
    checkDistinct([[2, 3]], (x) => x.max(1, true).mul(x)),
  ],
  reduce_min: [checkDistinct([[2, 3, 2]], (x) => x.min(1).exp())],
  cumsum: [false, true].flatMap((reverse) =>
    [false, true].map((exclusive) => check([[2, 4, 2]], (x) => x.cumsum(1, { reverse, exclusive }).exp(), -0.5, 0.5)),
  ),
  log_sum_exp: [
    check(
      [
        [2, 4],
        [2, 1],
      ],
      (x, shift) => x.logSumExpAbove(shift).square(),
    ),
    check([[3, 2, 2]], (x) => x.logSumExpAbove(x.slice(0, 0, 1), 0)),
    check([[2, 3]], (x) => x.logSumExp(0).square()),
  ],
  rotate: [
    check(
      [
        [2, 3, 4],
        [3, 2],
        [3, 2],
      ],
      (x, cos, sin) => x.rotate(cos, sin).square(),
    ),
    check([[2, 2, 2], [1], [1]], (x, cos, sin) => x.rotate(cos, sin).sin()),
  ],
  softmax: [check([[2, 4]], (x) => x.softmax()), check([[3, 2, 2]], (x) => x.softmax(0).square())],
  gather: [
    check([[4, 3]], (x) => x.gather(ints([2, 0, 2, -1]), 0).exp()),
    check([[2, 4, 2]], (x) => x.gather(ints([1, 1, 3, 0, 1, 2], [2, 3]), 1).square()),
    check([[3, 2]], (x) => x.gather(tensor([1], [], 'int64'), 0).exp()),
  ],
  scatter_add: [
    check([[4, 3]], (x) => ints([2, 0, 2, 1]).scatterAdd(x, 5).square()),
    check([[2, 2, 2, 3]], (x) => ints([0, 1, 1, 1], [2, 2]).scatterAdd(x, 3, 1).exp()),
  ],
  gather_elements: [
    check([[3, 4]], (x) => x.gatherElements(ints([0, 0, 3, -1, 2, 2], [3, 2]), 1).exp()),
    check([[3, 2]], (x) => x.gatherElements(ints([2, 0], [1, 2]), 0).square()),
    checkDistinct([[2, 5]], (x) => x.topK(3).values.exp()),
    checkDistinct([[2, 4]], (x) => x.sort(0, true).values.square()),
  ],
  scatter_elements_add: [
    check([[2, 3]], (x) =>
      apply('scatter_elements_add', [ints([0, 0, 3, 1, 2, 1], [2, 3]), x], { axis: 1, size: 4 }).square(),
    ),
  ],
  matmul: [
    [
      [2, 3],
      [3, 4],
    ],
    [
      [2, 2, 3],
      [2, 3, 2],
    ],
    [
      [2, 3, 2],
      [2, 3],
    ],
    [
      [2, 3],
      [2, 3, 2],
    ],
    [
      [2, 3, 2, 2],
      [3, 2, 2],
    ],
    [
      [2, 3, 2, 2],
      [2, 1, 2, 2],
    ],
    [
      [2, 1, 2, 2],
      [1, 3, 2, 2],
    ],
    [
      [1, 2, 3],
      [3, 2],
    ],
    [
      [2, 2, 2],
      [1, 2, 3],
    ],
  ].map(([a, b]) => check([a!, b!], (x, y) => x.matmul(y).square())),
}

describe('every gradient rule agrees with central differences', () => {
  it('has a case for exactly the primitives that have a rule', () => {
    expect(Object.keys(cases).sort()).toEqual(Object.keys(primitives).sort())
    const without = (table: Record<string, unknown>) =>
      Object.keys(table)
        .filter((op) => table[op] === 'none')
        .sort()
    expect(without(cases)).toEqual(without(vjpRules))
  })

  for (const [op, list] of Object.entries(cases)) {
    if (list === 'none') continue
    it(op, () => {
      expect(list.length).toBeGreaterThan(0)
      for (const one of list) {
        expect(derivativeError(one)).toBeLessThan(TOLERANCE)
        expect(derivativeError(one, 2)).toBeLessThan(TOLERANCE)
      }
    })
  }

  it('binary ops with random broadcast shapes', () => {
    // A shape, and for each operand which axes are 1 and how many leading ones are absent.
    const broadcasts = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }).chain((shape) => {
      const operand = fc
        .tuple(fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), fc.nat(shape.length))
        .map(([ones, absent]) => shape.map((n, i) => (ones[i] ? 1 : n)).slice(absent))
      return fc.tuple(operand, operand)
    })
    const ops = fc.constantFrom('add' as const, 'sub' as const, 'mul' as const, 'div' as const, 'pow' as const)
    fc.assert(
      fc.property(broadcasts, ops, ([a, b], op) => {
        expect(derivativeError(check([a, b], (x, y) => apply(op, [x, y]), 0.4, 2))).toBeLessThan(TOLERANCE)
      }),
      { numRuns: 60 },
    )
  })
})

describe('primitives without a gradient', () => {
  const x = input('x', [3], 'float64')
  it.each([
    ['sign', (t: Tensor) => t.sign()],
    ['floor', (t: Tensor) => t.floor()],
    ['stop_gradient', (t: Tensor) => t.stopGradient()],
    ['less', (t: Tensor) => t.less(0.5).cast('float64')],
    ['equal', (t: Tensor) => t.equal(0.5).cast('float64')],
    ['and, or, not', (t: Tensor) => t.less(1).and(t.less(2)).or(t.less(3).not()).cast('float64')],
    ['argmax', (t: Tensor) => t.argmax().cast('float64')],
    ['top_k_indices', (t: Tensor) => t.topK(2).indices.cast('float64')],
    ['cast to an integer', (t: Tensor) => t.cast('int64').cast('float64')],
  ])('%s passes nothing on', (_, f) => {
    const gradient = gradients([f(x).sum().add(x.sum())], [x])
    expect([...evaluate(gradient)[0]!]).toEqual([1, 1, 1])
  })
})

describe('gradients at kinks, ties and infinities', () => {
  const gradientAt = (values: number[], f: (x: Tensor) => Tensor) => {
    const x = input('x', [values.length], 'float64')
    return [...evaluate(gradients([f(x).sum()], [x]), new Map([[x, values]]))[0]!]
  }
  it('relu and abs have slope 0 at 0', () => {
    expect(gradientAt([-1, 0, 1], (x) => x.relu())).toEqual([0, 0, 1])
    expect(gradientAt([-1, 0, 1], (x) => x.abs())).toEqual([-1, 0, 1])
  })
  it('maximum and minimum give a tie to the first input, so clamp passes at its bounds', () => {
    expect(gradientAt([-2, -1, 0, 1, 2], (x) => x.clamp(-1, 1))).toEqual([0, 1, 1, 1, 0])
    const [a, b] = [input('a', [1], 'float64'), input('b', [1], 'float64')]
    const feeds = new Map([
      [a, [2]],
      [b, [2]],
    ])
    for (const y of [a.maximum(b), a.minimum(b)])
      expect(evaluate(gradients([y.sum()], [a, b]), feeds).map(([g]) => g)).toEqual([1, 0])
  })
  it('reductions share a tie equally', () => {
    expect(gradientAt([3, 1, 3], (x) => x.max())).toEqual([0.5, 0, 0.5])
    expect(gradientAt([1, 1, 3], (x) => x.min())).toEqual([0.5, 0.5, 0])
  })
  it('pow is finite at base 0', () => {
    expect(gradientAt([0, 2], (x) => x.pow(tensor([2, 3], [2], 'float64')))).toEqual([0, 12])
    expect(gradientAt([0, 2], (x) => x.pow(tensor([0, 1], [2], 'float64')))).toEqual([0, 1])
    expect(gradientAt([0, 2], (x) => x.pow(constant(0, 'float64')))).toEqual([0, 0])
    expect(gradientAt([0, 2], (x) => x.pow(constant(2, 'float64')))).toEqual([0, 4])
    expect(gradientAt([2, 3], (x) => tensor([0, 1], [2], 'float64').pow(x))).toEqual([0, 0])
  })
  it('softmax of scores masked with -inf', () => {
    const weights = tensor([1, 5, 2], [3], 'float64')
    const masked = (x: Tensor) => mask([1, 0, 1], [3]).where(x, Number.NEGATIVE_INFINITY).softmax().mul(weights)
    const [a, b, c] = gradientAt([0, 0, 0], masked)
    expect([a, b, c]).toEqual([-0.25, 0, 0.25])
    const added = (x: Tensor) =>
      x
        .add(tensor([0, -Infinity, 0], [3], 'float64'))
        .softmax()
        .mul(weights)
    expect(gradientAt([0, 0, 0], added)).toEqual([-0.25, 0, 0.25])
  })
  it('where gives the branch that was not chosen zeros, even when an infinite gradient arrives', () => {
    const [a, b] = [input('a', [2], 'float64'), input('b', [2], 'float64')]
    const root = mask([1, 0], [2]).where(a, b).sqrt() // slope infinite at 0
    const feeds = new Map([
      [a, [0, 1]],
      [b, [1, 0]],
    ])
    const infinity = Number.POSITIVE_INFINITY
    expect(evaluate(gradients([root.sum()], [a, b]), feeds).map((g) => [...g])).toEqual([
      [infinity, 0],
      [0, infinity],
    ])
  })
})
