import { DiopterError, nearMatches } from '../../errors/index.ts'
import type { Task } from '../problem.ts'
import { addition } from './addition.ts'
import { facts } from './facts.ts'
import { induction } from './induction.ts'
import { modularAddition } from './modular-addition.ts'
import { noisyTeacher } from './noisy-teacher.ts'
import { privilegedBasis } from './privileged-basis.ts'
import { superposition } from './superposition.ts'
import { text } from './text.ts'

/** Every task that can be trained by name: a new one is a file and a line here. */
export const tasks: readonly Task[] = [
  addition as Task,
  facts as Task,
  induction as Task,
  modularAddition as Task,
  noisyTeacher as Task,
  privilegedBasis as Task,
  superposition as Task,
  text as Task,
]

/** The task of that name. @throws DiopterError that lists the tasks. */
export function findTask(name: string): Task {
  const found = tasks.find((task) => task.name === name)
  if (found) return found
  const names = tasks.map((task) => task.name)
  throw new DiopterError(
    `There is no task '${name}'. Near: ${nearMatches(name, names, 2).join(', ')}. All: ${names.join(', ')}.`,
  )
}
