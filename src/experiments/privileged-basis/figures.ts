import { renderSvg } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'

/** Pictures of what was found, by file name. */
export function figures(results: readonly ArmResult[]): Readonly<Record<string, string>> {
  return {
    'kurtosis-by-block': byBlock(results),
    'kurtosis-over-training': overSteps(
      results,
      'kurtosis',
      'Kurtosis over training, mean over blocks',
      'kurtosis (3: no basis)',
    ),
    loss: overSteps(results, 'loss', 'Held-out loss', 'loss (nats)'),
  }
}

/** Mean over seeds with the smallest and largest, for every arm and place; and the random rotations beside them. */
function byBlock(results: readonly ArmResult[]): string {
  const rows = (arm: string, table: string) =>
    results.flatMap(({ arm: own, measures }) => {
      const values = measures.tables[table] as readonly number[] | undefined
      return own === arm && values ? [values] : []
    })
  const bars = [...new Set(results.map(({ arm }) => arm))].flatMap((arm) =>
    Object.entries(BASES).flatMap(([table, basis]) => {
      const values = rows(arm, table)
      return (values[0] ?? []).map((_, place) => {
        const own = values.map((row) => row[place]!)
        return {
          label: `${arm}${basis} ${place === 0 ? 'embedding' : `L${place - 1}`}`,
          value: own.reduce((a, b) => a + b) / own.length,
          low: Math.min(...own),
          high: Math.max(...own),
        }
      })
    }),
  )
  return renderSvg('barList', {
    title:
      'Kurtosis of residual vectors over coordinates (corrected: normal vectors have 3), mean and range over seeds; beside it in random rotations',
    valueLabel: 'kurtosis',
    bars,
  })
}

/** The bases in which a stream is measured, by table. */
const BASES = {
  kurtosis: '',
  rotatedKurtosis: ', rotated',
  optimiserKurtosis: ", Adam's axes",
}

function overSteps(results: readonly ArmResult[], curve: string, title: string, yLabel: string): string {
  return renderSvg('curves', {
    title,
    yLabel,
    xLabel: 'training steps',
    xScale: 'log',
    series: results.map(({ arm, seed, measures }) => ({ name: `${arm}, seed ${seed}`, ...measures.curves[curve]! })),
  })
}
