import type { TrainedRun } from '../experiment.ts'
import { featureDimensionalities, featureNorms, neighbourAngles, overlaps } from './geometry.ts'
import { heldOutLoss, leastBy, modelGroups } from './models.ts'

/** A model of few features, as pictures show it. */
export interface Polygon {
  readonly density: number
  readonly loss: number
  /** [feature][dimension] */
  readonly directions: readonly (readonly number[])[]
  readonly norms: readonly number[]
  readonly dimensionalities: readonly number[]
  /** W W^T */
  readonly overlaps: readonly (readonly number[])[]
  readonly biases: readonly number[]
}

/** A feature whose direction is longer than this is learned. */
const LEARNED = 0.9

/** The best model of every density, and how far they are from regular polygons. */
export function measurePolygons(run: TrainedRun) {
  const best = modelGroups(run).map((copies) => leastBy(copies, heldOutLoss(run)))
  const pictures = best.map(({ density, loss, model }): Polygon => {
    const { W, hidden, features } = model
    const rows = Array.from({ length: features }, (_, i) => [...W.subarray(i * hidden, (i + 1) * hidden)])
    const norms = featureNorms(model)
    return {
      ...{ density, loss, norms, directions: rows, biases: [...model.b] },
      ...{ dimensionalities: featureDimensionalities(model), overlaps: overlaps(model) },
    }
  })
  const over = (measure: (picture: Polygon) => number) => pictures.map(measure)
  const squares = ({ norms }: Polygon) => norms.reduce((sum, norm) => sum + norm ** 2, 0)
  const { features, hidden } = best[0]!.model
  const densest = pictures.reduce((a, b) => (b.density > a.density ? b : a))
  return {
    pictures,
    // the sparsest model, that stores most
    watched: best.reduce((a, b) => (b.density < a.density ? b : a)).place,
    scalars: {
      densestLearned: densest.norms.filter((norm) => norm > LEARNED).length,
      // the largest norm beside as many as there are dimensions
      densestThirdNorm: [...densest.norms].sort((a, b) => b - a)[hidden]!,
      leastNorm: Math.min(...over(({ norms }) => Math.min(...norms))),
      greatestLeastNorm: Math.max(...over(({ norms }) => Math.min(...norms))),
      mostStored: Math.max(...over(squares)),
      neighbourAngleError: Math.max(
        ...best.flatMap(({ model }) => neighbourAngles(model).map((angle) => Math.abs(angle - 360 / features))),
      ),
      dimensionalityError: Math.max(
        ...pictures.flatMap(({ dimensionalities }) => dimensionalities.map((one) => Math.abs(one - hidden / features))),
      ),
      ...Object.fromEntries(
        pictures.map(({ density, norms }) => [`learned@${density}`, norms.filter((norm) => norm > LEARNED).length]),
      ),
    },
  }
}
