import type { CurveModel, SmoothFit } from './curve-model.ts'
import type { Step, StepAxis } from './shapes.ts'

/** A step moved and stretched to where it helps a fit most: a pattern search from the grid's best. */
export function refineStep(model: CurveModel, fit: SmoothFit, from: Step, axis: StepAxis): Step {
  let best = { centre: from.centre, width: from.width, gain: model.gain(fit, from) }
  let [move, stretch] = [from.width / 4, 1.4]
  for (let round = 0; round < 12; round++) {
    const before = best.gain
    const { centre, width } = best
    const tried = [
      [centre - move, width],
      [centre + move, width],
      [centre, width / stretch],
      [centre, width * stretch],
    ] as const
    for (const [nextCentre, nextWidth] of tried) {
      if (nextWidth > axis.longest || nextWidth < axis.longest / 64) continue
      if (nextCentre < axis.from || nextCentre > axis.to) continue
      const gain = model.gain(fit, { kind: 'step', centre: nextCentre, width: nextWidth })
      if (gain > best.gain) best = { centre: nextCentre, width: nextWidth, gain }
    }
    if (best.gain === before) {
      move /= 2
      stretch = Math.sqrt(stretch)
    }
  }
  return { kind: 'step', centre: best.centre, width: best.width }
}
