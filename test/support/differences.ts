import { gradients } from '../../src/autodiff/index.ts'
import { input, type Shape, type Tensor } from '../../src/tensor/index.ts'
import { evaluate } from './evaluate.ts'
import { randomSource, uniform } from './random.ts'

/** A traced function and the float64 point at which its derivatives are checked. */
export interface DerivativeCase {
  readonly shapes: readonly Shape[]
  readonly values: readonly Float64Array[]
  readonly f: (...args: Tensor[]) => Tensor
}

/**
 * The largest |gradient - central difference| / max(1, |central difference|) over all elements of all arguments, for a
 * random weighting of f's elements; with `order` 2 for the gradient of a random weighting of the first gradient.
 */
export function derivativeError({ shapes, values, f }: DerivativeCase, order: 1 | 2 = 1): number {
  const args = shapes.map((shape, i) => input(`x${i}`, shape, 'float64'))
  const random = randomSource(7)
  const feeds = new Map<Tensor | string, Float64Array>(args.map((arg, i) => [arg, values[i]!]))
  const weighted = (ts: readonly Tensor[], label: string) =>
    ts
      .map((t, i) => {
        const weights = input(`${label}${i}`, t.shape, 'float64')
        feeds.set(weights, uniform(t.shape, random))
        return t.mul(weights).sum()
      })
      .reduce((a, b) => a.add(b))
  let scalar = weighted([f(...args)], 'first')
  if (order === 2) scalar = weighted(gradients([scalar], args), 'second')
  const analytic = evaluate(gradients([scalar], args), feeds)
  let worst = 0
  args.forEach((arg, i) => {
    values[i]!.forEach((value, k) => {
      const at = (x: number) => evaluate([scalar], new Map(feeds).set(arg, values[i]!.with(k, x)))[0]![0]!
      const h = 1e-4 * Math.max(1, Math.abs(value))
      // fourth-order central difference: error ~ h^4 f''''' / 30
      const numeric = (8 * (at(value + h) - at(value - h)) - (at(value + 2 * h) - at(value - 2 * h))) / (12 * h)
      const error = Math.abs(analytic[i]![k]! - numeric) / Math.max(1, Math.abs(numeric))
      worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error)
    })
  })
  return worst
}
