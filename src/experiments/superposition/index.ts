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
  const { scalars, tables } = measured(parameters.measure, run!, seed)
  const loss = curveOf(run!.log, 'loss')
  const changes = detectPhaseChanges(loss, { scale: 'log', values: 'log', seed, nulls: NULLS })
  return {
    scalars: { ...scalars, phaseChanges: changes.changes.length },
    curves: { loss: { x: loss.steps, y: loss.values } },
    tables: { ...tables, changes },
  }
}

/** What an arm is measured by: the word `measure` of its parameters. */
function measured(what: unknown, run: TrainedRun, seed: number): Pick<Measures, 'scalars' | 'tables'> {
  switch (what) {
    case 'polygons': {
      const { scalars, pictures } = measurePolygons(run)
      return { scalars, tables: { pictures } }
    }
    case 'phases': {
      const { scalars, diagram } = measurePhases(run, seed)
      return { scalars, tables: { diagram } }
    }
    case 'geometry': {
      const { scalars, sweep } = measureGeometry(run, seed)
      return { scalars, tables: { sweep } }
    }
    default:
      throw new DiopterError(
        `The arm's parameters say measure: ${JSON.stringify(what)}; superposition measures polygons, phases or geometry.`,
      )
  }
}
