import fc from 'fast-check'
import { apply, concat, layerNorm, rmsNorm, type Shape, sizeOf, type Tensor, tensor } from '../../src/tensor/index.ts'
import { randomSource } from './random.ts'
import { randomTensor } from './run-graph.ts'

/** One step of a random graph: which operation, and numbers from which its operands and parameters are chosen. */
interface Step {
  readonly operation: number
  readonly choices: readonly number[]
}

/** Picks from a step's choices, whatever the range. */
class Choices {
  private readonly values: readonly number[]
  private next = 0

  constructor(values: readonly number[]) {
    this.values = values
  }
  below(n: number): number {
    return this.values[this.next++ % this.values.length]! % n
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
}

type Leaf = (shape: Shape, dtype?: 'float32' | 'bool') => Tensor
type Operation = (x: Tensor, other: Tensor, choose: Choices, leaf: Leaf) => Tensor

/** Keeps products small, so that a long chain neither overflows nor loses all its digits. */
const tame = (x: Tensor) => x.tanh()
const axisOf = (x: Tensor, choose: Choices) => choose.below(x.rank)

const unary = (f: (x: Tensor) => Tensor): Operation => f
/** `other` as it is when it broadcasts against x, or a fresh leaf that does. */
const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Operation =>
  (x, other, choose, leaf) => {
    const fits = other.rank <= x.rank && other.shape.every((n, i) => n === 1 || n === x.shape[x.rank - other.rank + i])
    const partner = fits ? other : leaf(x.shape.map((n) => (choose.below(3) === 0 ? 1 : n)))
    return choose.below(2) === 0 ? f(x, partner) : f(partner, x)
  }

const operations: readonly Operation[] = [
  unary((x) => x.neg()),
  unary((x) => x.abs()),
  unary((x) => x.exp().mul(0.1).tanh()),
  unary((x) => x.square().add(0.5).log()),
  unary((x) => x.abs().add(0.5).sqrt()),
  unary((x) => x.sin().add(x.cos())),
  unary((x) => x.erf().add(x.sigmoid())),
  unary((x) => x.relu()),
  unary((x) => x.gelu('tanh')),
  unary((x) => x.stopGradient().silu()),
  unary((x) => x.cast('float64').mul(2).cast('float32')),
  binary((a, b) => a.add(b)),
  binary((a, b) => a.sub(b)),
  binary((a, b) => tame(a.mul(b))),
  binary((a, b) => a.div(b.abs().add(1))),
  binary((a, b) => a.maximum(b)),
  binary((a, b) => a.minimum(b)),
  (x, _, choose, leaf) => leaf(choose.of([x.shape, x.shape.slice(-1), []]), 'bool').where(x, choose.of([x.neg(), 0])),
  (x, _, choose) => {
    // any factorisation: axes merged and split
    const axis = axisOf(x, choose)
    const n = x.shape[axis]!
    const divisor = [2, 3].find((d) => n % d === 0 && n > 0) ?? 1
    const split = x.reshape(...x.shape.slice(0, axis), divisor, n / divisor, ...x.shape.slice(axis + 1))
    const merged = choose.below(split.rank - 1)
    const m = split.shape[merged]! * split.shape[merged + 1]!
    const shape = [...split.shape.slice(0, merged), m, ...split.shape.slice(merged + 2)]
    return choose.below(3) === 0 ? split : split.reshape(...shape)
  },
  // computed with other axes, then as before: a part of the result is a scattered part between
  (x, _, choose) =>
    x
      .reshape(...choose.of([[x.size], [1, x.size], [...x.shape, 1]]))
      .tanh()
      .reshape(...x.shape),
  (x, _, choose) => x.reshape(...choose.of([[x.size], [1, x.size], [x.size, 1]])),
  (x, _, choose) => {
    const axes = x.shape.map((_, i) => i)
    return x.transpose(...axes.sort(() => choose.below(3) - 1))
  },
  (x, _, choose) => (x.size <= 100 ? x.unsqueeze(0).broadcast(choose.of([1, 2, 3]), ...x.shape) : x),
  (x, _, choose) => {
    const axis = axisOf(x, choose)
    const start = choose.below(x.shape[axis]! + 1)
    const end = start + choose.below(x.shape[axis]! - start + 1)
    return x.slice(axis, start, end, choose.of([1, 1, 2, 3]))
  },
  (x, _, choose) => (x.shape[0] === 0 ? x : x.get(choose.of([-1, 0, '-1:', [0, -1]]))),
  (x, _, choose) => (sizeOf(x.shape) === 0 ? x : x.at('...', choose.of([-1, '1:', '::2', [0]])).mul(-1)),
  (x, _, choose) => {
    const draw = () => x.shape.map(() => choose.below(2))
    return x.size <= 200 ? x.pad(draw(), draw(), 1.5) : x
  },
  (x, _, choose) => {
    const axis = axisOf(x, choose)
    return x.size <= 200 ? concat([x, x.neg(), x.slice(axis, 0, 1)], axis).slice(0, 0, 4) : x
  },
  (x, _, choose) => tame(x.sum(axisOf(x, choose), choose.below(2) === 0)),
  (x, _, choose) => x.mean(axisOf(x, choose), choose.below(2) === 0),
  (x, _, choose) => (x.size === 0 ? x : x.max(axisOf(x, choose), choose.below(2) === 0)),
  (x, _, choose) => (x.size === 0 ? x : x.min(axisOf(x, choose), choose.below(2) === 0)),
  (x, _, choose) => {
    const options = { reverse: choose.below(2) === 0, exclusive: choose.below(2) === 0 }
    return x.size === 0 ? x : tame(x.cumsum(axisOf(x, choose), options))
  },
  (x, _, choose) => (x.size === 0 ? x : x.softmax(axisOf(x, choose))),
  (x, _, choose) => (x.size === 0 ? x : x.logSoftmax(axisOf(x, choose)).mul(0.1)),
  (x) => (x.size === 0 ? x : layerNorm(x, 0.1).normalized),
  (x, _, choose, leaf) => {
    if (x.size === 0) return x
    const [weight, bias] = [leaf(x.shape.slice(-1)), leaf(x.shape.slice(-1))]
    const { normalized, scale } = choose.of([layerNorm, rmsNorm])(x, 0.1)
    return choose.of([normalized.mul(weight).add(bias), normalized.mul(weight), scale.add(normalized)])
  },
  (x, _, choose) => {
    const axis = axisOf(x, choose)
    const n = x.shape[axis]!
    if (n === 0 || x.size > 200) return x
    const shape = choose.of([[2], [], [2, 2]])
    const indices = Array.from({ length: sizeOf(shape) }, () => choose.below(2 * n) - n)
    return x.gather(tensor(indices, shape, 'int64'), axis)
  },
  (x, _, choose, leaf) => {
    // positions from a leaf: of a computed tensor, rounding could choose others
    const axis = axisOf(x, choose)
    const { indices } = leaf(x.shape).topK(choose.below(x.shape[axis]! + 1) || x.shape[axis]!, axis)
    return x.size === 0 ? x : x.gatherElements(indices, axis)
  },
  (x, _, choose) => {
    const n = x.shape[0]!
    const size = choose.of([3, 600])
    const rows = tensor(
      Array.from({ length: n }, () => choose.below(3)),
      [n],
      'int64',
    ).scatterAdd(x, size)
    return x.size === 0 ? x : tame(rows.slice(0, 0, 3))
  },
  (x, _, choose, leaf) => {
    if (x.size === 0) return x
    const axis = axisOf(x, choose)
    const indices = leaf(x.shape).topK(x.shape[axis]!, axis).indices
    return apply('scatter_elements_add', [indices, x], { axis, size: x.shape[axis]! + 1 })
  },
  (x, other, choose, leaf) => {
    if (x.rank < 2 || x.size === 0) return x
    const k = x.shape.at(-1)!
    const fits = other.rank >= 2 && other.rank <= 3 && other.shape.at(-2) === k && x.rank === 2
    const right = fits
      ? other
      : leaf(
          choose.of([
            [k, 3],
            [...x.shape.slice(0, -2), k, 2],
          ]),
        )
    return choose.below(2) === 0 ? tame(x.matmul(right)) : tame(right.transpose().matmul(x.transpose()))
  },
]

function build(steps: readonly Step[], seed: number): Tensor[] {
  const random = randomSource(seed)
  const leaf: Leaf = (shape, dtype = 'float32') => randomTensor(random, shape, dtype, -1.5, 1.5)
  const pool: Tensor[] = [leaf([2, 3, 4]), leaf([4, 6]), leaf([6])]
  for (const { operation, choices } of steps) {
    const choose = new Choices(choices)
    // mostly the newest tensor, so that chains grow long
    const x = choose.below(4) === 0 ? choose.of(pool) : pool.at(-1)!
    const other = choose.of(pool)
    if (x.rank === 0 || x.rank > 4) {
      pool.push(x.reshape(-1, 1))
      continue
    }
    pool.push(operations[operation % operations.length]!(x, other, choose, leaf))
  }
  // the newest tensor, and one of its parts, and something that was only passed through
  const last = pool.at(-1)!
  const part = last.rank > 0 && last.size > 0 ? (seed % 2 === 0 ? last.get(-1) : last.get('...', 0)) : last
  return [part, pool[seed % pool.length]!]
}

/** Random graphs of float32 operations with valid shapes over small random leaves: two outputs each. */
export const randomGraphs: fc.Arbitrary<Tensor[]> = fc
  .tuple(
    fc.array(
      fc.record({
        operation: fc.nat({ max: 10_000 }),
        choices: fc.array(fc.nat({ max: 10_000 }), { minLength: 6, maxLength: 6 }),
      }),
      { minLength: 1, maxLength: 14 },
    ),
    fc.nat({ max: 10_000 }),
  )
  .map(([steps, seed]) => build(steps, seed))
