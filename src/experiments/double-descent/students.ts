import * as v from 'valibot'
import { DiopterError } from '../../errors/index.ts'
import { noisyTeacher, studentParameters, teacherStudents } from '../../train/tasks/noisy-teacher.ts'
import type { TrainedRun } from '../experiment.ts'

/** Mean losses, over copies, of the networks of one width and penalty after training. */
export interface StudentLosses {
  readonly width: number
  readonly penalty: number
  /** Weights and biases. */
  readonly parameters: number
  readonly train: number
  readonly validation: number
  readonly test: number
}

/** The networks of a run: by width, then by penalty. Throws when the run trained something else. */
export function studentLosses({ config, log }: TrainedRun): StudentLosses[][] {
  if (config.task !== noisyTeacher.name)
    throw new DiopterError(
      `Double descent is measured on runs of ${noisyTeacher.name}; this one trained ${config.task}.`,
    )
  const task = v.parse(noisyTeacher.schema, config.config)
  const students = teacherStudents(task)
  const last = log.findLast(({ values }) => 'test/loss' in values)!.values
  return task.widths.map((width) =>
    task.penalties.map((penalty) => {
      const mean = (name: string) => {
        const losses = last[name] as readonly number[]
        const own = losses.filter((_, i) => students[i]!.width === width && students[i]!.penalty === penalty)
        return own.reduce((a, b) => a + b) / own.length
      }
      return {
        ...{ width, penalty, parameters: studentParameters(task, width) },
        ...{ train: mean('train/loss'), validation: mean('validation/loss'), test: mean('test/loss') },
      }
    }),
  )
}

/** The number of examples that the networks of a run were fitted to. */
export function trainExamples({ config }: TrainedRun): number {
  return v.parse(noisyTeacher.schema, config.config).trainExamples
}
