import { renderSvg } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'
import type { Trial } from './trials.ts'

/** The characteristic of every arm and seed, and how suspicion goes with the mechanism. */
export function figures(results: readonly ArmResult[]): Readonly<Record<string, string>> {
  const scored = results.filter(({ measures }) => measures.curves.roc)
  return {
    roc: renderSvg('curves', {
      title: 'Breakages that the checks detect against false alarms, over all thresholds',
      xLabel: 'false alarms among sound cases',
      yLabel: 'detected breakages',
      series: scored.map(({ arm, seed, measures }) => ({ name: `${arm}, seed ${seed}`, ...measures.curves.roc! })),
    }),
    ...Object.fromEntries(
      scored
        .filter(({ seed }) => seed === scored[0]!.seed)
        .map(({ arm, measures }) => [`mechanism-${arm}`, byMechanism(arm, measures.tables.trials as readonly Trial[])]),
    ),
  }
}

const STEPS = 10

/** Shares of runs with a wrong answer and with a check that fails, over the share of the misleading mechanism. */
function byMechanism(arm: string, trials: readonly Trial[]): string {
  const families = [...new Set(trials.map(({ family }) => family))]
  const series = families.flatMap((family) =>
    (['isBreakage', 'isFired'] as const).map((what) => {
      const points = Array.from({ length: STEPS + 1 }, (_, step) => {
        const own = trials.filter((trial) => trial.family === family && Math.round(trial.mislead * STEPS) === step)
        return { x: step / STEPS, y: own.filter((trial) => trial[what]).length / own.length }
      }).filter(({ y }) => Number.isFinite(y))
      return {
        name: `${family}: ${what === 'isBreakage' ? 'the answer is wrong' : 'a check fails'}`,
        x: points.map(({ x }) => x),
        y: points.map(({ y }) => y),
      }
    }),
  )
  return renderSvg('curves', {
    title: `Wrong answers and failing checks, ${arm}`,
    xLabel: 'share of the misleading mechanism',
    yLabel: 'share of runs',
    series,
  })
}
