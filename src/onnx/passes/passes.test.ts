import { describe, expect, it } from 'vitest'
import { evaluate } from '../../../test/support/evaluate.ts'
import { randomSource } from '../../../test/support/random.ts'
import { largestDifference, randomTensor, runGraph } from '../../../test/support/run-graph.ts'
import { gradients } from '../../autodiff/index.ts'
import {
  concat,
  constant,
  crossEntropy,
  einsum,
  input,
  iota,
  layerNorm,
  printGraph,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
  topologicalOrder,
} from '../../tensor/index.ts'
import { structuralHash } from '../hash.ts'
import { optimise } from './index.ts'
import { sinkSlices } from './sink-slices.ts'

const [BATCH, POSITIONS, WIDTH, HEADS, HEAD, VOCABULARY] = [2, 6, 8, 2, 4, 11]

type Make = (name: string, shape: Shape) => Tensor

const named: Make = (name, shape) => input(name, shape)
const random = randomSource(5)
const drawn: Make = (_, shape) => randomTensor(random, shape)

/** A layer norm with weight and bias. */
function normed(make: Make, name: string, x: Tensor): Tensor {
  const { normalized } = layerNorm(x, 1e-5)
  return normalized.mul(make(`${name}.w`, [WIDTH])).add(make(`${name}.b`, [WIDTH]))
}

/** Norm, then a linear layer, read at the last position. */
function lastLinear(make: Make): Tensor {
  const x = normed(make, 'ln', make('x', [BATCH, POSITIONS, WIDTH]))
  return einsum('bpd,dv->bpv', x, make('W', [WIDTH, VOCABULARY])).get(':', -1)
}

/** One attention block with causal mask and unembedding. */
function blockLogits(make: Make): Tensor {
  const resid = make('resid', [BATCH, POSITIONS, WIDTH])
  const x = normed(make, 'ln1', resid)
  const [q, k, v] = ['W_Q', 'W_K', 'W_V'].map((name) =>
    einsum('bpd,hde->bphe', x, make(name, [HEADS, WIDTH, HEAD])),
  ) as [Tensor, Tensor, Tensor]
  const scores = einsum('bqhe,bkhe->bhqk', q, k).mul(constant(1 / Math.sqrt(HEAD)))
  const later = iota(POSITIONS).less(iota(POSITIONS).unsqueeze(0).transpose().sub(constant(-1, 'int64')))
  const pattern = later.where(scores, constant(-1e9)).softmax()
  const z = einsum('bhqk,bkhe->bqhe', pattern, v)
  const out = resid.add(einsum('bqhe,hed->bqd', z, make('W_O', [HEADS, HEAD, WIDTH])))
  return einsum('bpd,dv->bpv', normed(make, 'ln_f', out), make('W_U', [WIDTH, VOCABULARY]))
}

/** Multiplications that the graph's matrix products do. */
function matmulWork(outputs: readonly Tensor[]): number {
  const products = topologicalOrder(outputs).filter((t) => t.op === 'matmul')
  return products.reduce((sum, t) => sum + sizeOf(t.shape) * t.inputs[0]!.shape.at(-1)!, 0)
}

/** Rows of every matrix product, in order. */
const matmulRows = (outputs: readonly Tensor[]) =>
  topologicalOrder(outputs)
    .filter((t) => t.op === 'matmul')
    .map((t) => sizeOf(t.shape) / t.shape.at(-1)!)

const beforeAndAfter = (outputs: Readonly<Record<string, Tensor>>) => {
  const names = Object.keys(outputs)
  const after = optimise(Object.values(outputs))
  return [
    printGraph(outputs),
    '--- after the passes',
    printGraph(Object.fromEntries(names.map((n, i) => [n, after[i]!]))),
  ].join('\n')
}

async function expectSame(outputs: readonly Tensor[], tolerance = 1e-5) {
  const expected = evaluate(outputs)
  const [fused, plain] = [await runGraph(outputs), await runGraph(outputs, false)]
  outputs.forEach((_, i) => {
    expect(largestDifference(fused[i]!, expected[i]!)).toBeLessThan(tolerance)
    expect(largestDifference(plain[i]!, expected[i]!)).toBeLessThan(tolerance)
  })
}

describe('the printed graph before and after the passes', () => {
  it('layer norm, linear, last position: one row is left', () => {
    expect(beforeAndAfter({ logits: lastLinear(named) })).toMatchSnapshot()
  })
  it('one attention block with logits at the last position: one query, one row after it', () => {
    expect(beforeAndAfter({ logits: blockLogits(named).get(':', -1) })).toMatchSnapshot()
  })
  it('a gradient', () => {
    const [x, W] = [named('x', [BATCH, POSITIONS, WIDTH]), named('W', [WIDTH, VOCABULARY])]
    const targets = input('targets', [BATCH], 'int64')
    const [loss] = sinkSlices([crossEntropy(einsum('bpd,dv->bpv', x, W).get(':', -1), targets).mean()])
    const [dx, dW] = gradients([loss!], [x, W])
    expect(beforeAndAfter({ loss: loss!, dx: dx!, dW: dW! })).toMatchSnapshot()
  })
})

describe('slice sinking', () => {
  it('prunes a block whose logits are read at the last position', async () => {
    const whole = blockLogits(drawn)
    const last = whole.get(':', -1)
    const rows = BATCH * POSITIONS
    // q k v, scores, z, out, logits: keys and values keep all rows
    const products = [rows, rows, HEADS * rows, rows, HEADS * rows, rows, rows]
    expect(matmulRows([whole])).toEqual(products)
    expect(matmulRows(sinkSlices([last]))).toEqual([BATCH, rows, HEADS * BATCH, rows, HEADS * BATCH, BATCH, BATCH])
    await expectSame([last, whole])
  })

  it('prunes the gradient, too, when it is differentiated after sinking', async () => {
    const make = drawn
    const resid = make('resid', [BATCH, POSITIONS, WIDTH])
    const W = make('W', [WIDTH, VOCABULARY])
    const metric = () => einsum('bpd,dv->bpv', resid.tanh(), W).get(':', -1).logSoftmax().get(':', 3).sum()
    const plain = gradients([metric()], [resid, W])
    const sunk = gradients(sinkSlices([metric()]), [resid, W])
    expect(matmulWork(sunk)).toBe(3 * BATCH * WIDTH * VOCABULARY) // forward, and back to each operand
    expect(matmulWork(plain)).toBeGreaterThan(2 * matmulWork(sunk))
    expect(
      largestDifference(
        evaluate(sunk).flatMap((g) => [...g]),
        evaluate(plain).flatMap((g) => [...g]),
      ),
    ).toBe(0)
    await expectSame(sunk)
  })

  it('keeps a pinned view pinned, so that it can still be differentiated', () => {
    const x = drawn('x', [4, 6])
    const view = x.transpose().pin()
    const [metric, kept] = sinkSlices([view.transpose().get(-1).square().sum(), view])
    const [gradient] = evaluate(gradients([metric!], [kept!]))
    expect(gradient!.filter((g) => g !== 0)).toHaveLength(6)
  })

  it('leaves the whole of what is also asked for whole', async () => {
    const x = drawn('x', [4, 6]).tanh()
    const y = x.mul(2)
    const [last, whole] = sinkSlices([y.get(-1), x])
    expect(whole!.shape).toEqual([4, 6])
    await expectSame([last!, whole!])
  })

  it('drops pieces of a concatenation and of padding that nobody reads', () => {
    const [a, b] = [input('a', [3]), input('b', [3])]
    const [left] = sinkSlices([concat([a.exp(), b.exp()]).slice(0, 0, 2)])
    expect(topologicalOrder([left!]).includes(b)).toBe(false)
    const [zeros] = optimise([a.pad([4], [0]).slice(0, 0, 4)])
    expect(evaluate([zeros!], new Map([['a', [1, 2, 3]]]))[0]).toEqual(Float64Array.of(0, 0, 0, 0))
  })

  it.each([
    ['of rank 2', (x: Tensor) => x.slice(0, 2, 2).exp()],
    ['through a strided slice', (x: Tensor) => x.slice(0, 0, 5, 3).exp().slice(0, 2)],
    ['through a reshape that has no elements', (x: Tensor) => x.slice(0, 0, 0).exp().reshape(0, 3, 2).neg()],
    ['summed to zeros', (x: Tensor) => x.slice(0, 0, 0).exp().sum(0)],
  ])('handles an empty part %s', async (_, part) => {
    await expectSame([part(drawn('x', [5, 6]))])
  })
})

describe('sharing and folding', () => {
  it('shares equal nodes, and only equal ones', () => {
    const x = input('x', [3])
    const [a, b] = optimise([x.exp().add(x.exp()), x.exp()])
    expect(a!.inputs).toEqual([b, b])
    const specials = [0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]
    const outputs = optimise(specials.map((value) => constant(value).maximum(x)))
    expect(new Set(outputs).size).toBe(specials.length)
    expect(new Set(specials.map((value) => structuralHash([x.maximum(constant(value))]))).size).toBe(specials.length)
  })

  it('a name cannot imitate an attribute', () => {
    expect(structuralHash([input('a shape=2', [2])])).not.toBe(structuralHash([input('a', [2])]))
  })

  it('folds scalar arithmetic and merges scales, but not where the product would leave the dtype', async () => {
    const x = input('x', [3])
    const [merged] = optimise([
      x
        .mul(constant(0.5))
        .mul(constant(4))
        .mul(constant(1).add(constant(1)).sqrt()),
    ])
    expect(printGraph({ merged: merged! })).toBe(
      [
        '%0 = input name=x : float32[3]',
        `%1 = constant value=${2 * Math.sqrt(2)} dtype=float32 : float32[]`,
        '%2 = mul %0 %1 : float32[3]',
        'return merged = %2',
      ].join('\n'),
    )
    const large = tensor([1e-30, 2]).mul(constant(1e30)).mul(constant(1e30))
    const [optimised, plain] = [await runGraph([large]), await runGraph([large], false)]
    expect(optimised).toEqual(plain)
  })
})
