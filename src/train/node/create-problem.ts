import type { TrainingConfig } from '../config.ts'
import type { Problem } from '../problem.ts'
import { findTask } from '../tasks/index.ts'
import { fileResources } from './resources.ts'

/** The problem of a complete config whose task is in the table. Throws when a file that it reads is not there. */
export async function createProblem({ task, config, seed }: TrainingConfig): Promise<Problem> {
  return findTask(task).create(config, seed, fileResources)
}
