import { DiopterError } from '../../errors/index.ts'
import { curveOf } from '../../train/index.ts'
import type { ArmContext, Experiment, Measures, TrainedRun } from '../experiment.ts'
import { detectPhaseChanges } from '../phase-change.ts'
import { figures } from './figures.ts'
import { measureGeometry } from './geometry-sweep.ts'
import { measurePhases } from './phases.ts'
import { measurePolygons } from './polygons.ts'

/** Toy models of superposition (Elhage et al. 2022): polygons, phase diagrams against theory, and dimensions per feature. */
export const superpositionExperiment: Experiment = { name: 'superposition', measure, figures }

/** Curves simulated for each p-value of a phase change. */
const NULLS = 200

async function measure({ parameters, seed, run }: ArmContext): Promise<Measures> {
  const { scalars, tables, watched } = measured(parameters.measure, run!, seed)
  const loss = curveOf(run!.log, 'loss')
  const stored = curveOf(run!.log, 'models/squares', watched)
  const changes = {
    loss: detectPhaseChanges(loss, { scale: 'log', values: 'log', seed, nulls: NULLS }),
    stored: detectPhaseChanges(stored, { scale: 'log', seed, nulls: NULLS }),
  }
  return {
    scalars: {
      ...scalars,
      lossPhaseChanges: changes.loss.changes.length,
      storedPhaseChanges: changes.stored.changes.length,
    },
    curves: { loss: { x: loss.steps, y: loss.values }, stored: { x: stored.steps, y: stored.values } },
    tables: { ...tables, changes },
  }
}

/** What an arm gave, and the place of the model whose stored features are looked at over training. */
interface Measured extends Pick<Measures, 'scalars' | 'tables'> {
  readonly watched: number
}

/** What an arm is measured by: the word `measure` of its parameters. */
function measured(what: unknown, run: TrainedRun, seed: number): Measured {
  switch (what) {
    case 'polygons': {
      const { scalars, pictures, watched } = measurePolygons(run)
      return { scalars, tables: { pictures }, watched }
    }
    case 'phases': {
      const { scalars, diagram } = measurePhases(run, seed)
      // any model of the many: the first
      return { scalars, tables: { diagram }, watched: 0 }
    }
    case 'geometry': {
      const { scalars, sweep, watched } = measureGeometry(run, seed)
      return { scalars, tables: { sweep }, watched }
    }
    default:
      throw new DiopterError(
        `The arm's parameters say measure: ${JSON.stringify(what)}; superposition measures polygons, phases or geometry.`,
      )
  }
}
