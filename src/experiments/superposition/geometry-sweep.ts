import { normalValues, randomSource } from '../../random/index.ts'
import type { TrainedRun } from '../experiment.ts'
import {
  type Directions,
  dimensionsPerFeature,
  featureDimensionalities,
  featureNorms,
  polytopeFractions,
  shareNear,
} from './geometry.ts'
import { heldOutLoss, leastBy, modelGroups } from './models.ts'

/** Features with a shorter direction are not represented. */
const REPRESENTED = 0.5
/** Where features share dimensions, and not more densely than the densest polytope with a name. */
const SHARING = [0.35, 0.6] as const
/** D* of pairs. */
const PAIRS = [0.45, 0.55] as const

/** What a model of the sweep is made of. */
export interface GeometryPoint extends SweepPoint {
  readonly loss: number
  /** D_i of every represented feature. */
  readonly dimensionalities: readonly number[]
  readonly represented: number
}

/** How many features at how many dimensions, over densities. */
export function measureGeometry(run: TrainedRun, seed: number) {
  const sweep = modelGroups(run).map((copies) => {
    const { density, model, loss, place } = leastBy(copies, heldOutLoss(run))
    const dimensionalities = representedOnly(model)
    return {
      ...{ density, loss, model, place, dimensionalities },
      dStar: dimensionsPerFeature(model),
      represented: dimensionalities.length,
    }
  })
  const sharing = sweep.filter(({ dStar }) => dStar >= SHARING[0] && dStar <= SHARING[1])
  const found = sharing.flatMap(({ dimensionalities }) => dimensionalities)
  const random = sharing.flatMap(({ model }, i) => representedOnly(inRandomDirections(model, seed, i)))
  const densest = sweep.reduce((a, b) => (b.density > a.density ? b : a))
  return {
    sweep: sweep.map(({ model: _, place: __, ...one }): GeometryPoint => one),
    // the model that is most made of pairs
    watched: sweep.reduce((a, b) => (digons(b.dimensionalities) > digons(a.dimensionalities) ? b : a)).place,
    scalars: {
      nearFractions: shareNear(found, polytopeFractions, 0.03),
      nearFractionsNull: shareNear(random, polytopeFractions, 0.03),
      nearerFractions: shareNear(found, polytopeFractions, 0.01),
      nearerFractionsNull: shareNear(random, polytopeFractions, 0.01),
      mostDigons: Math.max(...sweep.map(({ dimensionalities }) => digons(dimensionalities))),
      plateauDecades: decadesWithin(sweep, PAIRS),
      densestDStar: densest.dStar,
      ...Object.fromEntries(sweep.map(({ density, dStar }) => [`dStar@${density}`, dStar])),
    },
  }
}

const digons = (dimensionalities: readonly number[]) => shareNear(dimensionalities, [1 / 2], 0.02)

function representedOnly(model: Directions): number[] {
  const norms = featureNorms(model)
  return featureDimensionalities(model).filter((_, i) => norms[i]! >= REPRESENTED)
}

/** Directions of the same lengths, as random as can be: what D_i are without any geometry. */
function inRandomDirections(model: Directions, seed: number, place: number): Directions {
  const { features, hidden } = model
  const W = normalValues(features * hidden, 1, randomSource(seed, 'random directions', place))
  const drawn = featureNorms({ W, features, hidden })
  const wanted = featureNorms(model)
  return {
    features,
    hidden,
    W: W.map((value, i) => (value * wanted[Math.floor(i / hidden)]!) / drawn[Math.floor(i / hidden)]!),
  }
}

/** One point of a sweep. */
interface SweepPoint {
  readonly density: number
  readonly dStar: number
}

/** The longest stretch of density, in factors of ten, over which D* stays in a range; D* is linear in log density between points. */
export function decadesWithin(sweep: readonly SweepPoint[], [low, high]: readonly [number, number]): number {
  const points = sweep.map(({ density, dStar }) => ({ x: Math.log10(density), y: dStar })).sort((a, b) => a.x - b.x)
  let [longest, length] = [0, 0]
  points.slice(1).forEach((to, i) => {
    const from = points[i]!
    // the share of the way at which D* crosses a value
    const at = (value: number) => (value - from.y) / (to.y - from.y)
    const crossings = to.y === from.y ? [] : [at(low), at(high)].filter((way) => way > 0 && way < 1)
    const ways = [0, ...crossings.sort((a, b) => a - b), 1]
    ways.slice(1).forEach((end, k) => {
      const start = ways[k]!
      const y = from.y + ((start + end) / 2) * (to.y - from.y)
      length = y >= low && y <= high ? length + (end - start) * (to.x - from.x) : 0
      longest = Math.max(longest, length)
    })
  })
  return longest
}
