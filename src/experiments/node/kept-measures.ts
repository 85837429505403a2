import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { packageVersion } from '../../hub/node/bundled.ts'
import { makeFolder, removeUnfinished, writeAtomically } from '../../train/node/atomic-write.ts'
import type { Measures } from '../experiment.ts'
import type { PlannedRun } from '../plan.ts'
import type { ExperimentPlaces } from './places.ts'

/** The measures of single runs, on disk until all are there: a measurement that was cancelled or killed goes on from them. */
export interface KeptMeasures {
  /** Where they lie. */
  readonly folder: string
  /** What was measured of a run; undefined when nothing was, or of another arm's parameters, training or version of Diopter. */
  read(run: PlannedRun): Promise<Measures | undefined>
  keep(run: PlannedRun, measures: Measures): Promise<void>
  /** Forgets all of them: the results are written. */
  clear(): Promise<void>
}

/** The kept measures of one version, full or short, of an experiment. */
export function keptMeasures({ runs }: ExperimentPlaces): KeptMeasures {
  const folder = join(runs, 'measures')
  const file = ({ arm, seed }: PlannedRun) => join(folder, `${arm}-${seed}.bin`)
  const key = ({ parameters, training }: PlannedRun) => JSON.stringify([packageVersion(), parameters, training])
  return {
    folder,
    async read(run) {
      const bytes = await readFile(file(run)).catch(() => undefined)
      if (!bytes) return undefined
      const kept = deserialize(bytes) as { key: string; measures: Measures }
      return kept.key === key(run) ? kept.measures : undefined
    },
    async keep(run, measures) {
      await makeFolder(folder)
      await removeUnfinished(folder)
      // unlike JSON, this knows NaN, infinities and typed arrays
      await writeAtomically(file(run), serialize({ key: key(run), measures }))
    },
    clear: () => rm(folder, { recursive: true, force: true }),
  }
}
