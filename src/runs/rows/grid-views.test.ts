import { expect, it } from 'vitest'
import { sweepViews } from './grid-views.ts'

it('neurons are ranked by their distance from the unpatched run', () => {
  const neurons = Array.from({ length: 30 }, (_, i) => i)
  // The metric hovers around 9; neuron 4 brings it near 0, and neuron 5 was not done.
  const values = [neurons.map((i) => (i === 4 ? 0.1 : i === 5 ? null : 9 + i / 1000))]
  const [view] = sweepViews({
    title: 'neurons',
    axes: { layer: [2], neuron: neurons },
    values,
    valueLabel: 'logit',
    unpatched: 9,
  })
  if (view?.view !== 'barList') throw new Error('neurons are shown as bars')
  const { bars } = view.props
  expect(bars).toHaveLength(25)
  expect(bars.at(-1)!.label).toBe('L2N4')
  expect(bars.map(({ label }) => label)).not.toContain('L2N0')
  expect(bars.map(({ label }) => label)).not.toContain('L2N5')
  expect(view.places?.rows).toEqual(bars.map(({ label }) => ({ layer: 2, neuron: Number(label.slice(3)) })))
})

it('a heat map shows the change from the unpatched run, and moves its reference marks along', () => {
  const [view] = sweepViews({
    title: 'resid_pre',
    axes: { layer: [0, 1], position: [0, 1] },
    values: [
      [-1.5, 2],
      [null, -1.5],
    ],
    valueLabel: 'logit difference',
    unpatched: -1.5,
    references: [{ label: 'clean', value: 4 }],
  })
  if (view?.view !== 'heatMap') throw new Error('layers by positions are a heat map')
  expect(view.props.values).toEqual([
    [0, 3.5],
    [null, 0],
  ])
  expect(view.props.references).toEqual([{ label: 'clean', value: 5.5 }])
  expect(view.props.valueLabel).toContain('-1.500')
})
