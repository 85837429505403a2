import { renderSvg, type Series } from '../../views/index.ts'
import type { ArmResult } from '../experiment.ts'

/** Test loss over model size and over data for random features, over size for trained networks, and per weight penalty. */
export function figures(results: readonly ArmResult[]): Readonly<Record<string, string>> {
  const line = (name: string, arm: string, curve: string) => bandOver(name, results, arm, curve)
  const features = (curve: string) => [
    ...line('least squares', 'features', curve),
    ...line('tuned ridge', 'features-tuned', curve),
    ...line('least squares, no label noise', 'features-clean', curve),
  ]
  const common = { yLabel: 'test loss / variance of the labels', xScale: 'log' } as const
  const decayed = results.find(({ arm }) => arm === 'network-decay')
  const penalties = Object.keys(decayed?.measures.curves ?? {}).filter((name) => name.startsWith('test/'))
  const pictures = {
    'model-wise': {
      ...common,
      title: 'Random features: the peak lies where there are as many features as examples',
      xLabel: 'features',
      yScale: 'log' as const,
      series: features('modelWise'),
    },
    'sample-wise': {
      ...common,
      title: 'Random features: more examples make it worse before they make it better',
      xLabel: 'training examples',
      yScale: 'log' as const,
      series: features('sampleWise'),
    },
    networks: {
      ...common,
      title: 'Trained two-layer networks on 100 examples',
      xLabel: 'parameters',
      series: [
        ...line('no weight decay', 'network', 'test'),
        ...line('tuned weight decay', 'network-decay', 'test'),
        ...line('no label noise', 'network-clean', 'test'),
      ],
    },
    penalties: {
      ...common,
      title: 'Trained two-layer networks: test loss by weight penalty',
      xLabel: 'parameters',
      series: [
        ...line('0', 'network', 'test'),
        ...penalties.flatMap((name) => line(name.slice('test/'.length), 'network-decay', name)),
      ],
    },
  }
  return Object.fromEntries(
    Object.entries(pictures)
      .filter(([, { series }]) => series.length > 0)
      .map(([name, props]) => [name, renderSvg('curves', props)]),
  )
}

/** The geometric mean over an arm's seeds with a band from the lowest to the highest; nothing where the arm was left out. */
function bandOver(name: string, results: readonly ArmResult[], arm: string, curve: string): Series[] {
  const curves = results.filter((one) => one.arm === arm).map(({ measures }) => measures.curves[curve]!)
  const [first] = curves
  if (!first) return []
  const over = (combine: (values: readonly number[]) => number) =>
    first.x.map((_, i) => combine(curves.map(({ y }) => y[i]!)))
  return [
    {
      name,
      x: first.x,
      y: over((values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)),
      low: over((values) => Math.min(...values)),
      high: over((values) => Math.max(...values)),
    },
  ]
}
