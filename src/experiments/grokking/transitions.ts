import { type Curve, curveOf, type LogEntry } from '../../train/index.ts'

/** A transition between two evaluated steps: it had not happened after `from`, and had after `to`. */
export interface Transition {
  readonly from: number
  readonly to: number
}

/** When a run learned what, from its log; null for what never happened. */
export interface Transitions {
  /** E1: all training pairs right, and training loss below 0.01, for the first time. */
  readonly memorised: Transition | null
  /** Test accuracy above 95 % for the first time. */
  readonly firstGeneralised: Transition | null
  /** E2: test accuracy above 95 % for good. */
  readonly generalised: Transition | null
  /** The rise to E2: from the last step before it with less than 10 % to the first with 90 % for good. */
  readonly rise: Transition | null
}

const MEMORISED_LOSS = 0.01
const GENERALISED = 0.95

/** Reads the transitions off the log of a modular-addition run. */
export function transitionsOf(log: readonly LogEntry[]): Transitions {
  const [loss, accuracy] = [curveOf(log, 'train/loss'), curveOf(log, 'train/accuracy')]
  const test = curveOf(log, 'test/accuracy')
  const memorised = firstWhere(loss, (value, i) => value < MEMORISED_LOSS && accuracy.values[i] === 1)
  const generalised = forGood(test, (value) => value > GENERALISED)
  const steady = forGood(test, (value) => value >= 0.9)
  const low = generalised && test.steps.findLast((step, i) => step < generalised.to && test.values[i]! < 0.1)
  return {
    memorised,
    firstGeneralised: firstWhere(test, (value) => value > GENERALISED),
    generalised,
    rise: generalised && steady && { from: low ?? 0, to: steady.to },
  }
}

type Holds = (value: number, index: number) => boolean

function firstWhere({ steps, values }: Curve, holds: Holds): Transition | null {
  const at = values.findIndex(holds)
  return at < 0 ? null : { from: steps[Math.max(0, at - 1)]!, to: steps[at]! }
}

function forGood({ steps, values }: Curve, holds: Holds): Transition | null {
  const at = values.findLastIndex((value, i) => !holds(value, i)) + 1
  return at >= values.length ? null : { from: steps[Math.max(0, at - 1)]!, to: steps[at]! }
}

/** A curve between its points: linear, and constant beyond its ends. */
export function valueAt({ steps, values }: Curve, step: number): number {
  const after = steps.findIndex((other) => other >= step)
  if (after < 0) return values.at(-1)!
  if (after === 0) return values[0]!
  const [left, right] = [steps[after - 1]!, steps[after]!]
  return values[after - 1]! + ((values[after]! - values[after - 1]!) * (step - left)) / (right - left)
}

/** The step from which on a curve is, for good, beyond the middle between its value at `from` and its last. */
export function halfwayAfter(curve: Curve, from: number): number {
  const [start, end] = [valueAt(curve, from), curve.values.at(-1)!]
  const isBeyond: Holds = (value) =>
    Math.abs(value - start) >= Math.abs(end - start) / 2 && (value - start) * (end - start) > 0
  return forGood(curve, isBeyond)?.to ?? Number.NaN
}

/**
 * How much of its fall from step `from` to the end `hidden` has made by the step at which `seen` has fallen by `share` of its
 * own fall from its peak between `from` and `until`: above `share`, `hidden` runs ahead. NaN where either does not fall.
 */
export function progressBefore(hidden: Curve, seen: Curve, from: number, until: number, share: number): number {
  const within = seen.values.filter((_, i) => seen.steps[i]! >= from && seen.steps[i]! <= until)
  const peak = Math.max(...within)
  const fall = peak - seen.values.at(-1)!
  const peakAt = seen.steps.find((step, i) => step >= from && seen.values[i] === peak)!
  const noticed = seen.steps.find((step, i) => step >= peakAt && seen.values[i]! <= peak - share * fall)
  const start = valueAt(hidden, from)
  const total = start - hidden.values.at(-1)!
  if (noticed === undefined || !(fall > 0) || !(total > 0)) return Number.NaN
  return (start - valueAt(hidden, noticed)) / total
}
