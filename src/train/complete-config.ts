import { DiopterError } from '../errors/index.ts'
import { parseTrainingConfig, parseWith, type TrainingConfig } from './config.ts'
import { findTask } from './tasks/index.ts'

/**
 * A task's training as plain data: fields that `value` leaves out are the task's own settings.
 * Throws when it names no task, or one that does not exist.
 */
export function withTaskSettings(value: unknown): Record<string, unknown> & { readonly task: string } {
  if (typeof value !== 'object' || value === null || !('task' in value) || typeof value.task !== 'string') {
    throw new DiopterError('A training config is an object that names its task, such as {"task": "modular-addition"}.')
  }
  return { ...findTask(value.task).settings, ...value, task: value.task }
}

/**
 * The complete config of a task's training: what `value` leaves out is the task's own setting, and what the task leaves
 * out has the usual default. Throws for tasks that do not exist, and names the field that does not fit.
 */
export function completeTrainingConfig(value: unknown): TrainingConfig {
  const config = parseTrainingConfig(withTaskSettings(value))
  const own = parseWith(findTask(config.task).schema, config.config, `config of the task ${config.task}`)
  return { ...config, config: own as Record<string, unknown> }
}
