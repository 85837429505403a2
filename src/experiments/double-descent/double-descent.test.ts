import { describe, expect, it } from 'vitest'
import { randomSource } from '../../random/index.ts'
import { choleskyFactor, choleskySolve, dot } from './cholesky.ts'
import { prominentPeak } from './peak.ts'
import { fitRandomFeatures } from './random-features.ts'
import { predictions, ridgeFits } from './ridge.ts'

function normal(count: number, ...path: string[]): Float64Array {
  const random = randomSource(0, ...path)
  return Float64Array.from({ length: count }, () => random.normal())
}

/** The gradient of |F w - y|^2 + lambda |w|^2 over 2, entry by entry. */
function gradient(
  values: Float64Array,
  width: number,
  labels: Float64Array,
  w: Float64Array,
  lambda: number,
): number[] {
  const residual = predictions({ values, count: labels.length, width }, w).map((p, i) => p - labels[i]!)
  return Array.from(w, (own, j) => residual.reduce((sum, r, i) => sum + r * values[i * width + j]!, lambda * own))
}

describe('Cholesky', () => {
  it('solves a system whose solution is known', () => {
    const size = 12
    const root = normal(size * size, 'root')
    const matrix = Float64Array.from({ length: size * size }, (_, k) => {
      const [i, j] = [Math.floor(k / size), k % size]
      return dot(root, i * size, root, j * size, size) + (i === j ? 1 : 0)
    })
    const planted = normal(size, 'solution')
    const right = planted.map((_, i) => dot(matrix, i * size, planted, 0, size))
    const solved = choleskySolve(choleskyFactor(matrix, size), right)
    for (const [i, value] of solved.entries()) expect(value).toBeCloseTo(planted[i]!, 10)
  })

  it('refuses a matrix that is not positive definite', () => {
    expect(() => choleskyFactor(Float64Array.of(1, 2, 2, 1), 2)).toThrow('not positive definite: pivot 1')
  })
})

describe('ridge regression', () => {
  it.each([
    ['more rows than weights', 20, 6],
    ['more weights than rows', 6, 20],
  ])('with %s: the gradient of the penalised loss is zero', (_, count, width) => {
    const values = normal(count * width, 'features')
    const labels = normal(count, 'labels')
    const meanEigenvalue = values.reduce((sum, x) => sum + x * x, 0) / Math.min(count, width)
    const penalties = [1e-11, 0.1, 10]
    for (const [k, fitted] of ridgeFits({ values, count, width }, labels, penalties).entries()) {
      for (const slope of gradient(values, width, labels, fitted, penalties[k]! * meanEigenvalue)) {
        expect(Math.abs(slope)).toBeLessThan(1e-7)
      }
    }
  })

  it('without a penalty interpolates with the weights of least norm', () => {
    const [count, width] = [6, 20]
    const values = normal(count * width, 'features')
    const labels = normal(count, 'labels')
    const [fitted] = ridgeFits({ values, count, width }, labels, [1e-11])
    for (const [i, value] of predictions({ values, count, width }, fitted!).entries()) {
      expect(value).toBeCloseTo(labels[i]!, 7)
    }
    // adding what the rows do not see changes no prediction; least norm means that none of it is in the weights
    const other = normal(width, 'other')
    const [seen] = ridgeFits({ values, count, width }, predictions({ values, count, width }, other), [1e-11])
    const unseen = other.map((value, j) => value - seen![j]!)
    expect(dot(unseen, 0, unseen, 0, width)).toBeGreaterThan(1)
    expect(dot(unseen, 0, fitted!, 0, width)).toBeCloseTo(0, 7)
  })
})

describe('the peak of a curve', () => {
  it('is where it is highest beside both sides', () => {
    expect(prominentPeak([5, 2, 6, 3, 1])).toEqual({ index: 2, ratio: 3 })
    expect(prominentPeak([5, 2, 6, 4])).toEqual({ index: 2, ratio: 1.5 })
  })

  it('is none in a curve that only falls, or only rises', () => {
    expect(prominentPeak([5, 3, 2, 1]).ratio).toBe(1)
    expect(prominentPeak([1, 2, 3]).ratio).toBe(1)
  })
})

describe('random features', () => {
  const spec = {
    ...{ inputs: 5, validationExamples: 100, testExamples: 200, labelNoise: 0.2 },
    modelWise: { examples: 40, widths: [8, 40, 300] },
    sampleWise: { width: 40, examples: [10, 40, 300] },
  }

  it('peak at as many features as examples, and not with a tuned penalty', async () => {
    const plain = await fitRandomFeatures({ ...spec, penalties: [1e-11] }, 0, {})
    const tuned = await fitRandomFeatures({ ...spec, penalties: [0.1, 1, 10] }, 0, {})
    for (const sweep of ['modelWise', 'sampleWise'] as const) {
      const losses = plain[sweep].map(({ testLoss }) => testLoss)
      expect(prominentPeak(losses)).toMatchObject({ index: 1 })
      expect(prominentPeak(losses).ratio).toBeGreaterThan(3)
      expect(prominentPeak(tuned[sweep].map(({ testLoss }) => testLoss)).ratio).toBeLessThan(1.3)
    }
    expect(tuned.modelWise.every(({ penalty }) => [0.1, 1, 10].includes(penalty))).toBe(true)
  })

  it('can be aborted between fits', async () => {
    const signal = AbortSignal.abort()
    await expect(fitRandomFeatures({ ...spec, penalties: [1] }, 0, { signal })).rejects.toThrow()
  })
})
