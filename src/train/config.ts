import * as v from 'valibot'
import { DiopterError } from '../errors/index.ts'
import { optimiserSchema, scheduleSchema } from '../optim/index.ts'

/** A whole number from 1 on. */
export const count = v.pipe(v.number(), v.integer(), v.minValue(1))

/** Which steps something happens at: every so many, and/or so many per factor of ten, evenly in the logarithm. */
const cadenceSchema = v.strictObject({ every: v.optional(count), perDecade: v.optional(count) })

/** Which steps something happens at. */
export type Cadence = v.InferOutput<typeof cadenceSchema>

const settings = {
  steps: count,
  optimiser: optimiserSchema,
  schedule: v.optional(scheduleSchema, {}),
  /** Gradients longer than this norm are shortened to it. */
  clip: v.optional(v.pipe(v.number(), v.gtValue(0))),
  /** Micro-batches per step. */
  accumulate: v.optional(count, 1),
  /** Steps in one compiled graph; everything else then happens at multiples of it. */
  stepsPerRun: v.optional(count, 1),
  /** Every how many steps the training loss is logged. */
  logEvery: v.optional(count, 1),
  evaluate: v.optional(cadenceSchema, { perDecade: 10 }),
  /** When parameters are kept for studies of training; never unless given. */
  snapshots: v.optional(cadenceSchema, {}),
}

const settingsSchema = v.strictObject(settings)

/** How a problem is trained: optimiser, steps, and what is logged when; as written, defaults left out. */
export type TrainingSettings = v.InferInput<typeof settingsSchema>

const configSchema = v.pipe(
  v.strictObject({
    task: v.string(),
    /** What the task is made of; its own schema says. */
    config: v.optional(v.record(v.string(), v.unknown()), {}),
    seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
    ...settings,
  }),
  v.forward(
    v.check(
      ({ steps, stepsPerRun }) => steps % stepsPerRun === 0,
      (issue) => {
        const { steps, stepsPerRun } = issue.input as { steps: number; stepsPerRun: number }
        return `${steps} steps are no multiple of stepsPerRun, ${stepsPerRun}`
      },
    ),
    ['steps'],
  ),
)

/** A training run as plain data, defaults left out. */
export type TrainingConfigInput = v.InferInput<typeof configSchema>

/** A training run as plain data, complete. */
export type TrainingConfig = v.InferOutput<typeof configSchema>

/** Checks and completes a training config. @throws DiopterError that names the field, what was given and what fits. */
export function parseTrainingConfig(value: unknown): TrainingConfig {
  return parseWith(configSchema, value, 'training config')
}

/** Checks a value against a schema. @throws DiopterError with the path of the first field that does not fit. */
export function parseWith<T>(schema: v.GenericSchema<unknown, T>, value: unknown, what: string): T {
  const result = v.safeParse(schema, value)
  if (result.success) return result.output
  const [issue] = result.issues
  const path = v.getDotPath(issue) ?? ''
  throw new DiopterError(`The ${what}${path ? `'s field ${path}` : ''} does not fit: ${issue.message}.`)
}

/** The fields in which a run's config and one that is asked for differ: `steps (was 10, now 20)`. */
export function configDifferences(saved: TrainingConfig, asked: TrainingConfig): string[] {
  const keys = [...new Set([...Object.keys(saved), ...Object.keys(asked)])] as (keyof TrainingConfig)[]
  return keys
    .filter((key) => JSON.stringify(saved[key]) !== JSON.stringify(asked[key]))
    .map((key) => `${key} (was ${JSON.stringify(saved[key])}, now ${JSON.stringify(asked[key])})`)
}

/** Whether something that follows `cadence` happens after step `step`, when steps come in groups of `stepsPerRun`. */
export function isDue(cadence: Cadence, step: number, stepsPerRun: number): boolean {
  // A group does what any of its steps asks for.
  for (let one = Math.max(0, step - stepsPerRun + 1); one <= step; one++) if (isDueAt(cadence, one)) return true
  return false
}

function isDueAt({ every, perDecade }: Cadence, step: number): boolean {
  if (every === undefined && perDecade === undefined) return false
  if (step === 0) return true
  if (every !== undefined && step % every === 0) return true
  if (perDecade === undefined) return false
  // step is one of the rounded points 10^(k / perDecade)
  const k = Math.round(Math.log10(step) * perDecade)
  return [k - 1, k, k + 1].some((near) => Math.round(10 ** (near / perDecade)) === step)
}
