import { describe, expect, it } from 'vitest'
import { mapRows, matrixAt, pooled, rowsOf, stackOf, valueAt } from './numbers.ts'
import { renderSvg } from './registry.ts'

const nested = [
  [1, -4, null],
  [2, 3, Number.NaN],
]
const flat = { shape: [2, 3], data: Float32Array.from([1, -4, 0, 2, 3, 5]) }

describe('matrices', () => {
  it('are read nested and flat', () => {
    expect(mapRows(rowsOf('m', flat, 2, 3), (value) => value)).toEqual([
      [1, -4, 0],
      [2, 3, 5],
    ])
    expect(valueAt(rowsOf('m', nested, 2, 3), 0, 2)).toBeNull()
  })

  it('name what does not fit', () => {
    expect(() => rowsOf('The map', nested, 3, 3)).toThrow('The map should be 3 rows of 3 entries')
    expect(() => rowsOf('The map', flat, 3, 2)).toThrow(
      'should have the shape [3, 2], as its labels say, but has [2, 3]',
    )
    expect(() => rowsOf('The map', { ...flat, dtype: 'float16' }, 2, 3)).toThrow('float16 bits')
    expect(() => stackOf('The pattern', [[[[1]]], []], 1)).toThrow('Layer 1 has 0')
  })

  it('are pooled by the largest size, absent entries apart', () => {
    const rows = rowsOf(
      'm',
      [
        [1, -4, null, null],
        [2, 3, Number.NaN, Infinity],
        [0, 0, 0, -1],
        [0, 0, 0.5, 0],
      ],
      4,
      4,
    )
    expect(mapRows(pooled(rows, 2), (value) => value)).toEqual([
      [-4, Number.NaN],
      [0, -1],
    ])
    // More rooms than entries: as they are.
    expect(mapRows(pooled(rowsOf('m', flat, 2, 3), 9), (value) => value)).toEqual([
      [1, -4, 0],
      [2, 3, 5],
    ])
  })

  it('of one head are parts of a stack, without a copy', () => {
    const data = Float32Array.from({ length: 2 * 3 * 4 }, (_, i) => i)
    const head = matrixAt({ shape: [2, 3, 2, 2], data }, 1, 2)!
    expect(mapRows(rowsOf('m', head, 2, 2), (value) => value)).toEqual([
      [20, 21],
      [22, 23],
    ])
    expect('shape' in head && (head.data as Float32Array).buffer).toBe(data.buffer)
    expect(matrixAt({ shape: [2, 3, 2, 2], data }, 2, 0)).toBeUndefined()
    expect(matrixAt([[nested]], 0, 1)).toBeUndefined()
  })
})

describe('large static pictures', () => {
  const tokens = Array.from({ length: 256 }, (_, i) => ` t${i}`)
  const noise = (i: number) => ((i * 7919) % 1009) / 1009

  it('stay small: one shape per colour, even where no two cells are alike', () => {
    const data = Float32Array.from({ length: 256 * 256 }, (_, i) => noise(i))
    const svg = renderSvg('attention', {
      title: 't',
      pattern: { shape: [256, 256], data },
      queryTokens: tokens,
      keyTokens: tokens,
    })
    expect(svg.length).toBeLessThan(1e6)
    expect(svg.match(/<path [^>]*stroke="#/g)!.length).toBeLessThanOrEqual(65)
  })

  it('paint every present cell once, in its colour', () => {
    // One row of 2000: 0 and 1 by turns, with an absent cell at the end.
    const values = [[...Array.from({ length: 1999 }, (_, i) => i % 2), null]]
    const columnLabels = values[0]!.map(String)
    const svg = renderSvg('heatMap', {
      title: 't',
      values,
      rowLabels: ['r'],
      columnLabels,
      valueLabel: 'v',
      scale: 'sequential',
    })
    const paths = [...svg.matchAll(/<path d="((?:M\d+ 0h1)+)" stroke="(#\w+)"/g)]
    expect(paths.map(([, d, color]) => [d!.match(/M/g)!.length, color])).toEqual([
      [1000, '#f7f7f5'],
      [999, '#123f7a'],
    ])
  })
})
