import type { Directions } from './geometry.ts'

/** One ReLU model: directions and biases. */
export interface ToyModel extends Directions {
  /** [features] */
  readonly b: Float32Array
}

/**
 * The expected loss sum_i importance_i E (x_i - relu(W_i . sum_j W_j x_j + b_i))^2 when features are active with
 * probability `density`, then uniform on [0, 1]: a sum over all sets of active features, each integrated with `points`
 * midpoints per feature. Its work grows as (1 + points)^features: for the few features of phase diagrams.
 */
export function expectedLoss(model: ToyModel, density: number, importances: readonly number[], points: number): number {
  const { W, b, features, hidden } = model
  const gram = Float64Array.from({ length: features ** 2 }, (_, place) => {
    const [i, j] = [Math.floor(place / features), place % features]
    let sum = 0
    for (let k = 0; k < hidden; k++) sum += W[i * hidden + k]! * W[j * hidden + k]!
    return sum
  })
  const x = new Float64Array(features)
  const lossAt = () => {
    let loss = 0
    for (let i = 0; i < features; i++) {
      let sum = b[i]!
      for (let j = 0; j < features; j++) sum += gram[i * features + j]! * x[j]!
      loss += importances[i]! * (x[i]! - Math.max(0, sum)) ** 2
    }
    return loss
  }
  // every feature is off, or at one of the midpoints
  const over = (feature: number): number => {
    if (feature === features) return lossAt()
    x[feature] = 0
    let sum = (1 - density) * over(feature + 1)
    for (let k = 0; k < points; k++) {
      x[feature] = (k + 0.5) / points
      sum += (density / points) * over(feature + 1)
    }
    return sum
  }
  return over(0)
}
