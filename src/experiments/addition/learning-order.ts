import { type Curve, curveOf, type LogEntry } from '../../train/index.ts'
import type { DigitTask } from '../../train/tasks/addition/categories.ts'
import { type AdditionFormat, answerLength } from '../../train/tasks/addition/format.ts'

/** The loss of A_digit over training on held-out questions where it has that task (base add, use carry, use sum 9). */
export function taskCurve(log: readonly LogEntry[], format: AdditionFormat, task: DigitTask, digit: number): Curve {
  return curveOf(log, `digit-tasks/${task}`, answerLength(format) - 1 - digit)
}

/** The training loss of A_digit, per logged step. */
export function digitLossCurve(log: readonly LogEntry[], format: AdditionFormat, digit: number): Curve {
  return curveOf(log, 'digitLoss', answerLength(format) - 1 - digit)
}

/** The first step at which a curve is below `limit`; Infinity when it never is. */
export function firstBelow({ steps, values }: Curve, limit: number): number {
  const at = values.findIndex((value) => value < limit)
  return at < 0 ? Number.POSITIVE_INFINITY : steps[at]!
}

/** A_1 stands right above the lowest pair: no carry can have come through a 9 there. */
export const LOWEST_WITH_NINE = 2

/** A loss below which a digit's task counts as learned, in nats. */
const LEARNED = 0.1

/** When the tasks of one answer digit were learned. */
export interface DigitOrder {
  readonly digit: number
  /** Steps; Infinity for tasks that never were. */
  readonly learned: Readonly<Record<DigitTask, number>>
}

/** When base add, use carry and use sum 9 were learned at each digit that can have the first two: A_1 up to the highest but one. */
export function learningOrder(log: readonly LogEntry[], format: AdditionFormat): DigitOrder[] {
  return Array.from({ length: format.digits - 1 }, (_, i) => {
    const digit = i + 1
    const learned = (task: DigitTask) => firstBelow(taskCurve(log, format, task, digit), LEARNED)
    const nines = digit < LOWEST_WITH_NINE ? Number.POSITIVE_INFINITY : learned('US9')
    return { digit, learned: { BA: learned('BA'), UC1: learned('UC1'), US9: nines } }
  })
}

/** At how many of digits 1 to 3 base add was learned before use carry. */
export function baseAddFirst(order: readonly DigitOrder[]): number {
  return order.filter(({ digit, learned }) => digit <= 3 && learned.BA < learned.UC1).length
}
