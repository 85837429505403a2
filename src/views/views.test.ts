import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { awkwardTokens, examples } from './examples.ts'
import { displayWidth } from './labels.ts'
import { type PropsOf, renderSvg, renderText, type ViewName, views, viewTable } from './registry.ts'
import type { TextOptions } from './terminal.ts'

const names = Object.keys(views) as ViewName[]
// Colours are the only escape sequences that a picture may hold.
const COLOR_SEQUENCE = new RegExp(`${String.fromCodePoint(27)}\\[[0-9;]*m`, 'g')
const CONTROL = /[\p{Cc}\p{Cf}\p{Cs}]/u

const bare = (line: string) => line.replace(COLOR_SEQUENCE, '')

/** Every view filled with tokens that must not be printed as they are. */
function awkwardProps(tokens: readonly string[]): { readonly [Name in ViewName]: PropsOf<Name> } {
  const title = tokens.join('')
  const values = tokens.map((_, index) => (index % 4 === 3 ? null : index - 3.5))
  const square = tokens.map(() => values)
  const top = tokens.map((token) => [{ token, probability: 0.5 }])
  return {
    heatMap: {
      title,
      values: square,
      rowLabels: tokens,
      columnLabels: tokens,
      rowAxis: title,
      columnAxis: title,
      valueLabel: title,
      references: tokens.map((label, value) => ({ label, value })),
    },
    tokenStrip: { title, tokens, values, valueLabel: title, top },
    attention: { title, pattern: square, queryTokens: tokens, keyTokens: tokens },
    attentionHeads: { title, patterns: [[square]], tokens },
    attentionTokens: { title, pattern: square, tokens },
    lensGrid: {
      title,
      cells: tokens.map(() => tokens.map((token) => ({ top: [{ token, probability: 0.5 }] }))),
      layerLabels: tokens,
      tokens,
    },
    barList: {
      title,
      bars: tokens.map((label, index) => ({ label, value: values[index]!, low: -9, high: 9 })),
      valueLabel: title,
    },
    curves: {
      title,
      series: tokens.map((name) => ({ name, x: tokens.map((_, index) => index), y: values })),
      xLabel: title,
      yLabel: title,
      xScale: 'log',
    },
    directions: { title, panels: tokens.map((name, x) => ({ name, directions: [{ label: name, x, y: 1 }] })) },
    circuitGraph: {
      title,
      levels: tokens,
      nodes: tokens.map((name, level) => ({ name, level })),
      links: tokens.slice(1).map((port, from) => ({ from, to: from + 1, port, value: values[from]!, others: [1] })),
      valueLabel: title,
      otherLabels: [title],
    },
    checksList: {
      title,
      checks: tokens.map((name) => ({ name, verdict: 'fails' as const, claimed: name, measured: name, why: name })),
    },
  }
}

describe.each(names)('%s', (name) => {
  const props = examples[name]

  it('draws the same SVG as before', () => {
    expect(renderSvg(name, props)).toMatchSnapshot()
  })

  it.each<TextOptions>([
    { color: 'none', width: 80, unicode: true },
    { color: 'none', width: 40, unicode: false },
    { color: '256', width: 60, unicode: true },
  ])('prints the same lines as before: $color, $width columns, unicode $unicode', (options) => {
    expect(`\n${renderText(name, props, options).join('\n')}\n`).toMatchSnapshot()
  })

  it('prints the same characters in true colour as in 256 colours', () => {
    const lines = (color: TextOptions['color']) =>
      renderText(name, props, { color, width: 80, unicode: true }).map(bare)
    expect(lines('truecolor')).toEqual(lines('256'))
  })

  it('takes props that went through JSON', () => {
    const copy = JSON.parse(JSON.stringify(props)) as typeof props
    expect(renderText(name, copy, { color: 'none', width: 80, unicode: true })).toEqual(
      renderText(name, props, { color: 'none', width: 80, unicode: true }),
    )
  })

  it('keeps its table rectangular', () => {
    const table = viewTable(name, props)
    expect(table.rows.length).toBeGreaterThan(0)
    for (const row of table.rows) expect(row).toHaveLength(table.columns.length)
  })

  it('fits the terminal and lets no control character through, whatever the tokens', () => {
    const token = fc.oneof(
      fc.constantFrom(...awkwardTokens),
      fc.string({ unit: 'grapheme', maxLength: 30 }),
      fc.string({ unit: 'binary', maxLength: 8 }),
    )
    const options = fc.record({
      color: fc.constantFrom('none' as const, '256' as const, 'truecolor' as const),
      width: fc.integer({ min: 20, max: 130 }),
      unicode: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 6 }), options, (tokens, options) => {
        for (const line of renderText(name, awkwardProps(tokens)[name], options).map(bare)) {
          expect(displayWidth(line)).toBeLessThanOrEqual(options.width)
          expect(line).not.toMatch(options.unicode ? CONTROL : /[^ -~]/)
        }
      }),
      { seed: 3, numRuns: 60 },
    )
  })

  it('escapes every token in its SVG', () => {
    const svg = renderSvg(name, awkwardProps(awkwardTokens)[name])
    expect(svg.includes('<b>')).toBe(false)
    // Newlines part the lines of a hover.
    expect(CONTROL.exec(svg.replaceAll('\n', ''))).toBeNull()
    expect(/NaN|undefined|Infinity/.exec(svg)).toBeNull()
  })

  it('gives every mark a place of its own and a hover', () => {
    const svg = renderSvg(name, props)
    const marks = [
      ...svg.matchAll(/class="diopter-mark" data-row="(\d+)" data-column="(\d+)"[^>]*><title>([^<]+)<\/title>/g),
    ]
    expect(marks.length).toBe(svg.split('diopter-mark').length - 1)
    expect(marks.length).toBeGreaterThan(0)
    expect(new Set(marks.map(([, row, column]) => `${row},${column}`)).size).toBe(marks.length)
  })
})

describe('values', () => {
  it('prints 6 digits in hovers, rounded values in cells and exact ones as data', () => {
    const svg = renderSvg('heatMap', {
      title: 't',
      values: [[0.1 + 0.2]],
      rowLabels: ['r'],
      columnLabels: [' c'],
      valueLabel: 'v (nats)',
    })
    expect(svg).toContain('<title>row: r\ncolumn 0: ·c\nv (nats): 0.3</title>')
    expect(svg).toContain('data-value="0.30000000000000004"')
    expect(svg).toContain('>0.30</text>')
  })

  it('hatches absent cells and prints no number in them', () => {
    const props = {
      title: 't',
      values: [[Number.NaN, -Infinity, null, 1]],
      rowLabels: ['r'],
      columnLabels: ['a', 'b', 'c', 'd'],
      valueLabel: 'v',
    }
    const svg = renderSvg('heatMap', props)
    expect(svg.match(/M\d+ 22l24(\.\d+)? -22/g) ?? svg.match(/M[\d.]+ 22l[\d.]+ -22/g)).not.toBeNull()
    expect(svg).toContain('v: -Infinity</title>')
    expect(svg).toContain('v: NaN</title>')
    expect(svg).toContain('v: absent</title>')
    expect(renderText('heatMap', props, { color: 'none', width: 40, unicode: false })[2]).toBe('r . . . 1.00')
    expect(viewTable('heatMap', props).rows.map((row) => row[3])).toEqual([Number.NaN, -Infinity, null, 1])
  })

  it('colours ranks so that the top one is strongest', () => {
    const cell = (rank: number) => ({ top: [{ token: 'a', probability: 0.5 }], rank })
    const svg = renderSvg('lensGrid', {
      title: 't',
      cells: [[cell(0), cell(5000)]],
      layerLabels: ['0'],
      tokens: ['x', 'y'],
      colorBy: 'rank',
    })
    expect(svg).toMatch(/data-column="0" data-value="0"[^>]*fill="#123f7a"/)
    expect(svg).toMatch(/data-column="1" data-value="5000"[^>]*fill="#f7f7f5"/)
  })

  it('summarises heads by where they look', () => {
    const previous = [
      [1, null, null],
      [1, 0, null],
      [0, 1, 0],
    ]
    expect(viewTable('attentionHeads', { title: 't', patterns: [[previous]], tokens: ['a', 'b', 'c'] }).rows).toEqual([
      [0, 0, 2 / 3, 1, 1 / 3],
    ])
  })

  it('says how many points a logarithmic axis leaves out', () => {
    const props = {
      title: 't',
      series: [{ name: 's', x: [0, 1, 2], y: [1, 0, 3] }],
      xLabel: 'x',
      yLabel: 'y',
      xScale: 'log',
      yScale: 'log',
    } as const
    expect(renderSvg('curves', props)).toContain('2 points are not drawn')
    expect(renderText('curves', props, { color: 'none', width: 80, unicode: false }).at(-1)).toContain(
      '2 points are not drawn',
    )
  })

  it('shades named stretches of x as far as they lie on the axis', () => {
    const props = {
      title: 't',
      series: [{ name: 's', x: [1, 10, 100], y: [1, 2, 3] }],
      xLabel: 'x',
      yLabel: 'y',
      xScale: 'log',
      spans: [
        { name: 'memorising', from: 0, to: 10 },
        { name: 'later', from: 200, to: 300 },
      ],
    } as const
    const svg = renderSvg('curves', props)
    // from the left edge of the plot to its middle, 280 of 560 pixels
    expect(svg).toMatch(/<rect [^>]*width="280"[^>]*><title>memorising: 0 to 10<\/title>/)
    expect(svg).not.toContain('later')
    expect(renderText('curves', props, { color: 'none', width: 80, unicode: false })).toContain('memorising: 0 to 10')
  })
})

describe('refusals', () => {
  it('names what does not fit', () => {
    const heat = { title: 't', values: [[1, 2]], rowLabels: ['r'], columnLabels: ['a'], valueLabel: 'v' }
    expect(() => renderSvg('heatMap', heat)).toThrow('1 rows of 1 entries')
    expect(() => viewTable('heatMap', { ...heat, values: [] })).toThrow('there are 0 rows')
    expect(() =>
      renderSvg('heatMap', { ...heat, columnLabels: ['a', 'b'], references: [{ label: 'clean', value: Number.NaN }] }),
    ).toThrow('"clean" is NaN')
    expect(() => renderSvg('tokenStrip', { title: 't', tokens: ['a'], values: [], valueLabel: 'v' })).toThrow(
      'should have 1 entries but has 0',
    )
    expect(() => renderSvg('attentionHeads', { title: 't', patterns: [[[[1]]], []], tokens: ['a'] })).toThrow(
      'Layer 1 has 0',
    )
    const cell = { top: [{ token: 'a', probability: 1 }] }
    const lens = { title: 't', cells: [[cell]], layerLabels: ['0'], tokens: ['a'] }
    expect(() => renderSvg('lensGrid', { ...lens, colorBy: 'kl' })).toThrow('no cell has it')
    expect(() => renderSvg('lensGrid', { ...lens, cells: [[{ top: [] }]] })).toThrow('names no top token')
    expect(() =>
      renderSvg('curves', { title: 't', series: [{ name: 's', x: [1], y: [1], low: [0] }], xLabel: 'x', yLabel: 'y' }),
    ).toThrow('one edge')
    expect(() => renderSvg('heatMaps' as 'heatMap', heat)).toThrow('There is no view "heatMaps". Nearest: heatMap')
  })
})
