import { DiopterError } from '../errors/index.ts'
import { parseTrainingConfig, parseWith, type TrainingConfig } from './config.ts'
import { findTask } from './tasks/index.ts'

/**
 * The complete config of a task's training: what `value` leaves out is the task's own setting, and what the task leaves
 * out has the usual default. Throws for tasks that do not exist, and names the field that does not fit.
 */
export function completeTrainingConfig(value: unknown): TrainingConfig {
  if (typeof value !== 'object' || value === null || !('task' in value) || typeof value.task !== 'string') {
    throw new DiopterError('A training config is an object that names its task, such as {"task": "modular-addition"}.')
  }
  const task = findTask(value.task)
  const config = parseTrainingConfig({ ...task.settings, ...value })
  const own = parseWith(task.schema, config.config, `config of the task ${task.name}`)
  return { ...config, config: own as Record<string, unknown> }
}
