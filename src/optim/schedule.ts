import * as v from 'valibot'
import { constant, type Tensor } from '../tensor/index.ts'

const steps = v.pipe(v.number(), v.integer(), v.minValue(0))

/** How the learning rate moves over the steps, as plain data. */
export const scheduleSchema = v.strictObject({
  /** Steps over which the rate rises linearly from 0. */
  warmup: v.optional(steps, 0),
  /** What follows the warm-up. */
  shape: v.optional(v.picklist(['constant', 'linear', 'cosine']), 'constant'),
  /** The step at which a linear or cosine schedule ends; the run's last step unless given. */
  end: v.optional(steps),
  /** The share of the rate that is left at the end. */
  final: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0),
})

/** How the learning rate moves over the steps: warm-up, then constant, linear or cosine decay. */
export type Schedule = v.InferOutput<typeof scheduleSchema>

/**
 * The learning rate of a step (counted from 1), traced: scalar float64 `step` to scalar float32. After `end` it stays final.
 * @param lastStep where the schedule ends when it does not say so itself.
 */
export function learningRateAt(step: Tensor, peak: number, schedule: Schedule, lastStep: number): Tensor {
  const { warmup, shape, end = lastStep, final } = schedule
  const number = (value: number) => constant(value, 'float64')
  let factor = number(1)
  if (warmup > 0) factor = step.mul(number(1 / warmup)).minimum(number(1))
  if (shape !== 'constant') {
    // 0 at the end of the warm-up, 1 at the end
    const done = step
      .sub(number(warmup))
      .mul(number(1 / Math.max(1, end - warmup)))
      .maximum(number(0))
      .minimum(number(1))
    const left =
      shape === 'linear' ? number(1).sub(done) : done.mul(number(Math.PI)).cos().add(number(1)).mul(number(0.5))
    factor = factor.mul(left.mul(number(1 - final)).add(number(final)))
  }
  return factor.mul(number(peak)).cast('float32')
}
