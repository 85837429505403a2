import { allocate, type TypedArray } from '../tensor/index.ts'
import type { TrainingConfig } from './config.ts'
import type { Problem } from './problem.ts'

/** What one run of the compiled step trains on: arrays [stepsPerRun, accumulate, ...] by name. */
export type Batches = Readonly<Record<string, TypedArray>>

/** Gives the batches of the run that starts after `step` steps, wherever they are made. */
export type BatchSource = (step: number) => Batches | Promise<Batches>

/** Makes the batches of the run that starts after `step` steps. */
export function batchesOfRun(
  problem: Pick<Problem, 'batch' | 'microBatch'>,
  step: number,
  { stepsPerRun, accumulate }: Pick<TrainingConfig, 'stepsPerRun' | 'accumulate'>,
): Batches {
  const count = stepsPerRun * accumulate
  const parts = Array.from({ length: count }, (_, i) => problem.microBatch(step * accumulate + i))
  if (count === 1) return parts[0]!
  return Object.fromEntries(
    Object.keys(problem.batch).map((name) => {
      const { dtype } = problem.batch[name]!
      const size = parts[0]![name]!.length
      const all = allocate(dtype, count * size)
      // one dtype throughout, which the union of array types cannot say
      parts.forEach((part, i) => {
        all.set(part[name] as never, i * size)
      })
      return [name, all]
    }),
  )
}
