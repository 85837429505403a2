import { describe, expect, it } from 'vitest'
import { differenceView, whyNoDifference } from './difference.ts'
import { examples } from './examples.ts'
import { fileName } from './export.ts'
import { renderSvg, renderText, type ViewName, type ViewSpec, views, viewTable } from './registry.ts'

const subtractable = (Object.keys(views) as ViewName[]).filter(
  (view) => !['directions', 'circuitGraph', 'checksList'].includes(view),
)
const specOf = (view: ViewName) => ({ view, props: examples[view] }) as ViewSpec

describe('differences of two pictures', () => {
  it.each(subtractable)('%s less itself is zero everywhere, and drawn', (view) => {
    const difference = differenceView(specOf(view), specOf(view))!
    const numbers = viewTable(difference.view, difference.props).rows.map((row) => row.at(-1))
    expect(numbers.filter((number) => number !== null && number !== 0)).toEqual([])
    expect(numbers).toContain(0)
    expect(renderSvg(difference.view, difference.props)).toContain('<svg')
    renderText(difference.view, difference.props, { color: 'none', width: 80, unicode: true })
  })

  it('is b - a, with the places of both and a title that names them', () => {
    const heat = (title: string, values: (number | null)[][]): ViewSpec => ({
      view: 'heatMap',
      props: { title, values, rowLabels: ['r'], columnLabels: ['a', 'b'], valueLabel: 'logits' },
      places: { rows: [{ layer: 0 }] },
    })
    const difference = differenceView(heat('Clean', [[1, 2]]), heat('Noised', [[4, null]]))!
    expect(difference).toMatchObject({
      view: 'heatMap',
      props: { title: 'Noised less Clean', values: [[3, null]], valueLabel: 'change of logits' },
      places: { rows: [{ layer: 0 }] },
    })
    expect(
      differenceView(heat('Same', [[1, 2]]), heat('Same', [[1, 2]]), ['first run', 'second run'])!.props.title,
    ).toBe('Same: second run less first run')
  })

  it('finds bars by their names, in whatever order', () => {
    const bars = (entries: [string, number][]): ViewSpec => ({
      view: 'barList',
      props: {
        title: 't',
        valueLabel: 'v',
        bars: entries.map(([label, value]) => ({ label, value, low: 0, high: 9 })),
      },
    })
    const difference = differenceView(
      bars([
        ['x', 1],
        ['y', 5],
      ]),
      bars([
        ['y', 7],
        ['x', 2],
      ]),
    )!
    expect(viewTable(difference.view, difference.props).rows).toEqual([
      ['y', 2],
      ['x', 1],
    ])
  })

  it('colours a lens grid by its own measure', () => {
    const lens = (kl: number): ViewSpec => ({
      view: 'lensGrid',
      props: {
        title: 't',
        cells: [[{ top: [{ token: 'a', probability: 0.5 }], kl }]],
        layerLabels: ['0'],
        tokens: ['x'],
        colorBy: 'kl',
      },
    })
    const difference = differenceView(lens(3), lens(1))!
    expect(viewTable(difference.view, difference.props).rows[0]!.at(-1)).toBe(-2)
  })

  it('says why there is none', () => {
    expect(differenceView(specOf('heatMap'), specOf('curves'))).toBeNull()
    expect(whyNoDifference(specOf('heatMap'), specOf('curves'))).toBe('One picture is a heatMap, the other a curves.')
    expect(whyNoDifference(specOf('checksList'), specOf('checksList'))).toContain('not subtracted')
    const shorter = { ...examples.tokenStrip, tokens: ['a'], values: [1], top: [[]] }
    expect(whyNoDifference(specOf('tokenStrip'), { view: 'tokenStrip', props: shorter })).toBe(
      'The tokens of the two pictures are not the same: 16 and 1.',
    )
    expect(whyNoDifference(specOf('heatMap'), specOf('heatMap'))).toBeNull()
  })
})

describe('file names', () => {
  it('keep letters and digits of a title', () => {
    expect(fileName('Activation patching, resid_pre: clean into corrupted', 'png')).toBe(
      'activation-patching-resid-pre-clean-into-corrupted.png',
    )
    expect(fileName('../../\u202e L0H2 50 %', 'svg')).toBe('l0h2-50.svg')
    expect(fileName('   ', 'csv')).toBe('picture.csv')
  })
})
