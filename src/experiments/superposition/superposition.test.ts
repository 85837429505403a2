import { describe, expect, it } from 'vitest'
import { parseTrainingConfig } from '../../train/config.ts'
import { type SuperpositionConfig, superposition, superpositionModels } from '../../train/tasks/superposition.ts'
import type { TrainedRun } from '../experiment.ts'
import { bestStructure, structureLosses } from './closed-form.ts'
import { figures } from './figures.ts'
import { decadesWithin, measureGeometry } from './geometry-sweep.ts'
import { measurePhases, structureFound } from './phases.ts'
import { measurePolygons } from './polygons.ts'

type Rows = readonly (readonly number[])[]

/** A run whose models have planted directions, and held-out losses that rise with the copy's number. */
function planted(config: Partial<SuperpositionConfig>, directions: (place: number) => Rows): TrainedRun {
  const optimiser = { name: 'adam', learningRate: 1 }
  const run = parseTrainingConfig({ task: superposition.name, config, steps: 1, optimiser })
  const problem = superposition.create(run.config as SuperpositionConfig, 0, { readFile: () => Promise.reject() })
  if (problem instanceof Promise) throw new Error('this task needs no files')
  const models = superpositionModels(run.config as SuperpositionConfig)
  return {
    config: run,
    problem,
    log: [{ step: 1, values: { 'models/loss': models.map(({ copy }) => copy) } }],
    parameters: new Map([
      ['W', Float32Array.from(models.flatMap((_, place) => directions(place).flat()))],
      ['b', new Float32Array(models.length * (run.config as SuperpositionConfig).features)],
    ]),
    snapshotSteps: [],
    snapshot: () => Promise.reject(new Error('no snapshots')),
  }
}

const shape = {
  output: 'relu' as const,
  ...{ importanceDecay: 1, lastImportances: [1], copies: 1, batch: 4, evaluated: 4 },
}
const pentagon: Rows = Array.from({ length: 5 }, (_, i) => [Math.cos(0.4 * i * Math.PI), Math.sin(0.4 * i * Math.PI)])
const firstTwo: Rows = [
  [1, 0],
  [0, 1],
  [0, 0],
  [0, 0.05],
  [0, 0],
]

describe('polygons', () => {
  it('finds two dedicated features when dense and a pentagon when sparse, in the best copies', () => {
    const config = { ...shape, features: 5, hidden: 2, densities: [1, 0.05], copies: 2 }
    // the second copies are bad
    const run = planted(config, (place) => [firstTwo, pentagon.map(() => [0, 0]), pentagon, firstTwo][place]!)
    const { scalars, pictures } = measurePolygons(run)
    expect(scalars).toMatchObject({ densestLearned: 2, 'learned@1': 2, 'learned@0.05': 5 })
    expect(scalars.densestThirdNorm).toBeCloseTo(0.05)
    expect(pictures[1]!.dimensionalities.map((one) => one.toFixed(3))).toEqual(new Array(5).fill('0.400'))
  })

  it('measures how far from a pentagon', () => {
    const config = { ...shape, features: 5, hidden: 2, densities: [0.05] }
    expect(measurePolygons(planted(config, () => pentagon)).scalars.neighbourAngleError).toBeLessThan(1e-4)
    const bent = pentagon.with(1, [Math.cos(1.4), Math.sin(1.4)])
    // 1.4 radians are 80.2 degrees: 8.2 too many on one side
    expect(measurePolygons(planted(config, () => bent)).scalars.neighbourAngleError).toBeCloseTo(8.21, 1)
  })
})

describe('phases', () => {
  it.each([
    ['ignored', [[1], [0.1]]],
    ['dedicated', [[0.2], [1]]],
    ['superposed', [[1], [-0.9]]],
    ['other', [[1], [0.9]]],
    [
      'superposed',
      [
        [1, 0],
        [0, 1],
        [-1, 0],
      ],
    ],
    [
      'others superposed',
      [
        [1, 0],
        [-1, 0],
        [0, 1],
      ],
    ],
  ] as const)('sees %s', (structure, rows) => {
    const W = Float32Array.from((rows as Rows).flat())
    expect(structureFound({ W, features: rows.length, hidden: rows[0].length })).toBe(structure)
  })

  it('agrees with itself, and not when shuffled', () => {
    const densities = [1, 0.5, 0.2, 0.05]
    const lastImportances = [0.1, 0.5, 2, 10]
    const config = { ...shape, features: 2, hidden: 1, densities, lastImportances }
    const best = { ignored: [[1], [0]], dedicated: [[0], [1]], superposed: [[1], [-1]] }
    const run = planted(config, (place) => {
      const [density, importance] = [densities[Math.floor(place / 4)]!, lastImportances[place % 4]!]
      return best[bestStructure(structureLosses(1, density, importance)) as keyof typeof best]
    })
    const { scalars } = measurePhases(run, 0)
    expect(scalars.agreement).toBe(1)
    expect(scalars.shuffledAgreement).toBeLessThan(0.9)
  })
})

describe('geometry', () => {
  it('measures the decades over which D* stays in a range', () => {
    const sweep = [1, 0.1, 0.01, 0.001].map((density, i) => ({ density, dStar: [1, 0.5, 0.5, 0.1][i]! }))
    // 0.55 is a tenth of the way from 0.5 to 1; 0.45 an eighth of the way from 0.5 to 0.1
    expect(decadesWithin(sweep, [0.45, 0.55])).toBeCloseTo(1 + 0.1 + 0.125, 6)
    expect(decadesWithin(sweep, [0.8, 0.7])).toBe(0)
  })

  it('counts pairs, and not what is random', () => {
    const pairs: Rows = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: 20 }, (_, k) => (k === i >> 1 ? (i % 2 === 0 ? 1 : -1) : 0)),
    )
    const run = planted({ ...shape, features: 40, hidden: 20, densities: [0.3] }, () => pairs)
    const { scalars } = measureGeometry(run, 0)
    expect(scalars).toMatchObject({ nearFractions: 1, mostDigons: 1, 'dStar@0.3': 0.5 })
    expect(scalars.nearFractionsNull).toBeLessThan(0.9)
    expect(scalars.nearerFractionsNull).toBeLessThan(0.5)
  })
})

describe('figures', () => {
  it('pictures every kind of result', () => {
    const polygons = planted({ ...shape, features: 5, hidden: 2, densities: [0.05] }, () => pentagon)
    const phases = planted({ ...shape, features: 2, hidden: 1, densities: [0.5] }, () => [[1], [-1]])
    const sweep = planted({ ...shape, features: 2, hidden: 1, densities: [0.5, 0.1] }, () => [[1], [-1]])
    const result = (arm: string, tables: Record<string, unknown>) => ({
      ...{ arm, seed: 0 },
      measures: { scalars: {}, curves: {}, tables },
    })
    const drawn = figures([
      result('picture', { pictures: measurePolygons(polygons).pictures }),
      result('phases', { diagram: measurePhases(phases, 0).diagram }),
      result('geometry', { sweep: measureGeometry(sweep, 0).sweep }),
    ])
    expect(Object.keys(drawn)).toEqual([
      ...['picture-0', 'picture-overlaps-0', 'phases-found-0', 'phases-theory'],
      ...['dimensions-per-feature', 'dimensionalities-0'],
    ])
    for (const svg of Object.values(drawn)) expect(svg).toMatch(/^<svg /)
  })
})
