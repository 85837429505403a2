import { describe, expect, it } from 'vitest'
import { evaluate } from '../../test/support/evaluate.ts'
import { randomSource } from '../../test/support/random.ts'
import { largestDifference, randomTensor, runGraph } from '../../test/support/run-graph.ts'
import { layerNorm, rmsNorm, type Tensor } from '../tensor/index.ts'
import { emit } from './emit.ts'
import { optimise } from './passes/index.ts'

const WIDTH = 96
const random = randomSource(3)
const draw = (shape: readonly number[], low = -2, high = 2) => randomTensor(random, shape, 'float32', low, high)

/** The operators of the emitted model; their names stand in its bytes. */
const operators = (outputs: readonly Tensor[]) => {
  const text = new TextDecoder('latin1').decode(emit(optimise(outputs)).bytes)
  const names = ['SimplifiedLayerNormalization', 'LayerNormalization', 'ReduceSum', 'Sqrt', 'Div', 'Mul', 'Add']
  // an operator's name is preceded by its field tag (0x22) and its length
  return names.filter((name) => text.includes(`"${String.fromCharCode(name.length)}${name}`))
}

async function expectAgreement(outputs: readonly Tensor[], tolerance = 3e-6) {
  const expected = evaluate(outputs)
  const [fused, plain] = [await runGraph(outputs), await runGraph(outputs, false)]
  outputs.forEach((_, i) => {
    expect(largestDifference(fused[i]!, expected[i]!)).toBeLessThan(tolerance)
    expect(largestDifference(plain[i]!, expected[i]!)).toBeLessThan(tolerance)
  })
}

const norms = [
  { name: 'layer norm', norm: layerNorm, operator: 'LayerNormalization' },
  { name: 'RMS norm', norm: rmsNorm, operator: 'SimplifiedLayerNormalization' },
]

describe.each(norms)('fused $name = unfused = double precision', ({ norm, operator }) => {
  const x = draw([3, 5, WIDTH])
  const [weight, bias] = [draw([WIDTH]), draw([WIDTH])]
  const { scale, normalized } = norm(x, 1e-5)
  const scaled = normalized.mul(weight)
  const all = { scale, normalized, scaled, shifted: scaled.add(bias) }

  it.each([
    ['normalized'],
    ['scaled'],
    ['shifted'],
    ['shifted', 'scale'],
    ['shifted', 'normalized'],
    ['shifted', 'scaled', 'normalized', 'scale'],
  ] as (keyof typeof all)[][])('when asked for %j', async (...names) => {
    const outputs = names.map((name) => all[name])
    expect(operators(outputs)).toContain(operator)
    await expectAgreement(outputs)
  })

  it('when asked for the scale alone, which needs no norm', () => expectAgreement([scale]))

  it('one operator computes norm, weight and bias when nobody looks between', () => {
    const expected = operator === 'LayerNormalization' ? [operator] : [operator, 'Add']
    expect(operators([all.shifted])).toEqual(expected)
  })

  it('an edit of the scale or of the normalized activations takes effect', async () => {
    const edited = norm(
      x,
      1e-5,
      (s) => s.mul(2),
      (n) => n.at(0, 1).mul(0),
    )
    await expectAgreement([edited.normalized.mul(weight).add(bias), edited.scale])
  })

  it('holds for the gradient, which reads the scale and the normalized activations again', async () => {
    const { gradients } = await import('../autodiff/index.ts')
    const metric = all.shifted.square().sum()
    await expectAgreement(gradients([metric], [x, weight, bias]), 2e-5)
  })

  it('a norm of another dtype or another axis is emitted as traced', async () => {
    const wide = randomTensor(random, [4, 8], 'float64')
    expect(operators([norm(wide, 1e-5).normalized])).not.toContain(operator)
    await expectAgreement([norm(wide, 1e-5).normalized], 1e-12)
    const columns = x.sub(x.mean(0, true))
    const byHand = columns.div(columns.square().mean(0, true).add(1e-5).sqrt())
    expect(operators([byHand])).not.toContain(operator)
    await expectAgreement([byHand])
  })
})

/**
 * The fused operator subtracts the mean before it squares: the error grows with |mean| / std only as the rounding of the
 * input itself does (2^-24 * ratio), and stays below that of the unfused graph.
 */
it.each([1, 10, 100, 1000, 10_000])('layer norm stays accurate at |mean| = %i standard deviations', async (ratio) => {
  const spread = Math.sqrt(3) // of a uniform distribution with standard deviation 1
  const { normalized, scale } = layerNorm(draw([8, WIDTH], ratio - spread, ratio + spread), 1e-5)
  const expected = evaluate([normalized, scale])
  const fused = await runGraph([normalized, scale])
  const bound = 1e-6 + ratio * 2e-7
  expect(largestDifference(fused[0]!, expected[0]!)).toBeLessThan(bound)
  expect(largestDifference(fused[1]!, expected[1]!)).toBeLessThan(bound)
})
