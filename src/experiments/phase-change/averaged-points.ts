import type { StepAxis } from './shapes.ts'

/** Points of a curve. */
export interface Points {
  readonly steps: Float64Array
  readonly values: Float64Array
}

/** More points than this say nothing new about a change that takes a sixtieth of the axis. */
const MOST_POINTS = 200

/** A curve averaged within equal stretches of the axis where it has more points than are looked at. */
export function averagedPoints(steps: readonly number[], values: readonly number[], axis: StepAxis): Points {
  if (steps.length <= MOST_POINTS) return { steps: Float64Array.from(steps), values: Float64Array.from(values) }
  const bins = new Map<number, { count: number; step: number; value: number }>()
  steps.forEach((step, i) => {
    const share = (axis.place(Math.max(step, axis.step(axis.from))) - axis.from) / (axis.to - axis.from)
    const at = Math.min(MOST_POINTS - 1, Math.floor(share * MOST_POINTS))
    const bin = bins.get(at) ?? { count: 0, step: 0, value: 0 }
    bins.set(at, { count: bin.count + 1, step: bin.step + step, value: bin.value + values[i]! })
  })
  const ordered = [...bins.entries()].sort(([a], [b]) => a - b).map(([, bin]) => bin)
  return {
    steps: Float64Array.from(ordered, ({ step, count }) => step / count),
    values: Float64Array.from(ordered, ({ value, count }) => value / count),
  }
}
