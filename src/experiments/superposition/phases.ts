import { permutation, randomSource } from '../../random/index.ts'
import type { TrainedRun } from '../experiment.ts'
import { bestStructure, type Structure, structureLosses, unitPairLoss } from './closed-form.ts'
import { expectedLoss } from './expected-loss.ts'
import { type Directions, featureNorms, overlaps } from './geometry.ts'
import { leastBy, modelGroups, superpositionConfig, type TrainedToy } from './models.ts'

/** Features with a shorter direction are not stored. */
const STORED = 0.5
/** Two directions with a cosine below this are an antipodal pair. */
const ANTIPODAL = -0.7
/** Midpoints per feature of expected losses. */
const POINTS = 24

/** What became of the extra feature, the last one; `other` where it is none of the structures. */
export function structureFound(model: Directions): Structure | 'other' {
  const norms = featureNorms(model)
  const extra = norms.length - 1
  if (norms[extra]! < STORED) return 'ignored'
  if (norms.some((norm) => norm < STORED)) return 'dedicated'
  const pairs = overlaps(model).flatMap((row, i) =>
    row.flatMap((overlap, j) => (j > i && overlap / (norms[i]! * norms[j]!) < ANTIPODAL ? [[i, j] as const] : [])),
  )
  if (pairs.some(([, j]) => j === extra)) return 'superposed'
  return pairs.length > 0 ? 'others superposed' : 'other'
}

/** The phase diagram of a run: what was found and what is best, by density (rows) and importance of the last feature. */
export function measurePhases(run: TrainedRun, seed: number) {
  const { densities, lastImportances, hidden } = superpositionConfig(run)
  const loss = ({ model, density, importances }: TrainedToy) => expectedLoss(model, density, importances, POINTS)
  const best = modelGroups(run).map((copies) => leastBy(copies, loss))
  const found = best.map(({ model }) => structureFound(model))
  const theory = best.map(({ density, lastImportance }) => structureLosses(hidden, density, lastImportance))
  const predicted = theory.map(bestStructure)
  const unit = best.map(({ density, lastImportance }) =>
    bestStructure(structureLosses(hidden, density, lastImportance, unitPairLoss)),
  )
  const agreement = (expected: readonly Structure[]) =>
    found.filter((one, i) => one === expected[i]).length / found.length
  const order = permutation(found.length, randomSource(seed, 'shuffled cells'))
  const excess = best.map((one, i) => one.loss / Math.min(...Object.values(theory[i]!)) - 1)
  const grid = <T>(cells: readonly T[]) =>
    densities.map((_, row) => cells.slice(row * lastImportances.length, (row + 1) * lastImportances.length))
  return {
    diagram: {
      densities,
      importances: lastImportances,
      found: grid(found),
      predicted: grid(predicted),
      unit: grid(unit),
    },
    scalars: {
      agreement: agreement(predicted),
      unitAgreement: agreement(unit),
      shuffledAgreement: agreement([...order].map((place) => predicted[place]!)),
      medianExcessLoss: [...excess].sort((a, b) => a - b)[Math.floor(excess.length / 2)]!,
      leastExcessLoss: Math.min(...excess),
    },
  }
}

/** A phase diagram: [density][importance]. */
export type PhaseDiagram = ReturnType<typeof measurePhases>['diagram']
