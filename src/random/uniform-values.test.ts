import { expect, it } from 'vitest'
import { randomSource, uniformValues } from './index.ts'
import { randomRotation } from './rotation.ts'

const mean = (values: ArrayLike<number>, of: (value: number, i: number) => number) =>
  Array.from(values).reduce((sum, value, i) => sum + of(value, i), 0) / values.length

it('gives the values of a seed and path, uniform and independent', () => {
  const values = uniformValues(40_000, 5, 'batch', 1)
  expect(values).toEqual(uniformValues(40_000, 5, 'batch', 1))
  // bounds of five standard errors
  expect(Math.abs(mean(values, (u) => u) - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / values.length))
  expect(Math.abs(mean(values, (u) => u ** 2) - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / values.length))
  const others = {
    next: values.subarray(1),
    path: uniformValues(40_000, 5, 'batch', 2),
    seed: uniformValues(40_000, 6, 'batch', 1),
  }
  for (const [name, other] of Object.entries(others)) {
    const covariance = mean(other, (u, i) => (u - 1 / 2) * (values[i]! - 1 / 2))
    expect(Math.abs(covariance), name).toBeLessThan(5 / 12 / Math.sqrt(other.length))
  }
  expect(Math.min(...uniformValues(10_000, 0))).toBeGreaterThanOrEqual(0)
  expect(Math.max(...uniformValues(10_000, 0))).toBeLessThan(1)
})

it('makes orthogonal matrices without preferred directions', () => {
  const size = 40
  const R = randomRotation(size, randomSource(3, 'rotation'))
  const row = (i: number) => R.subarray(i * size, (i + 1) * size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      const product = row(i).reduce((sum, value, k) => sum + value * row(j)[k]!, 0)
      expect(product).toBeCloseTo(i === j ? 1 : 0, 5)
    }
  }
  // entries of a random direction: mean square 1 / size, kurtosis 3 size / (size + 2)
  expect(mean(R, (value) => value ** 2)).toBeCloseTo(1 / size, 6)
  expect((mean(R, (value) => value ** 4) * size ** 2) / ((3 * size) / (size + 2))).toBeCloseTo(1, 0)
})
