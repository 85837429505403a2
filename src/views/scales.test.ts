import { describe, expect, it } from 'vitest'
import { ansi256, ansi256OfScale, colorScale, hex, readableOn } from './colors.ts'
import { axis, commonFormat, extent, formatNumber, linearTicks, logTicks } from './scales.ts'

describe('number lines', () => {
  it('has round ticks inside the domain', () => {
    expect(linearTicks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(linearTicks(-0.3, 0.3, 4)).toEqual([-0.2, 0, 0.2])
    expect(linearTicks(97, 1013, 4)).toEqual([500, 1000])
    expect(linearTicks(3, 3)).toEqual([3])
    expect(logTicks(1, 1e6, 3)).toEqual([1, 100, 1e4, 1e6])
    expect(logTicks(13, 769)).toEqual([20, 50, 100, 200, 500])
    expect(logTicks(2, 9)).toEqual([2, 4, 6, 8])
  })

  it('leaves absent values out', () => {
    expect(extent([null, Number.NaN, 2, -Infinity, -1, Infinity, undefined])).toEqual([-1, 2])
    expect(extent([null])).toBeUndefined()
  })

  it('places values on linear and logarithmic axes', () => {
    expect(axis('linear', [2, 4]).position(3)).toBe(0.5)
    const log = axis('log', [1, 100, 0, -5])
    expect(log.position(10)).toBeCloseTo(0.5)
    expect([log.shows(0), log.shows(-5), log.shows(null), log.shows(1)]).toEqual([false, false, false, true])
    expect(axis('linear', [0]).domain).toEqual([-0.5, 0.5])
    expect(axis('linear', []).domain).toEqual([0, 1])
  })

  it('writes numbers shortly', () => {
    expect([0, -0, 0.1 + 0.2, 12.345, 1234.5, 1e-7, -3.25e9, Number.NaN].map(formatNumber)).toEqual([
      '0',
      '0',
      '0.3',
      '12.3',
      '1235',
      '1e-7',
      '-3.25e9',
      'NaN',
    ])
    expect([0.5, -0.001, 2].map(commonFormat([0.5, -0.001, 2]))).toEqual(['0.50', '0.00', '2.00'])
    expect([120, 3.7].map(commonFormat([120, 3.7]))).toEqual(['120', '4'])
    expect([0.0042, -0.001].map(commonFormat([0.0042, -0.001]))).toEqual(['0.0042', '-0.0010'])
    expect(commonFormat([2e-5])(2e-5)).toBe('2e-5')
  })
})

describe('colour scales', () => {
  it('is neutral at zero, whatever the values', () => {
    const scale = colorScale({ kind: 'diverging', values: [-1, 5, null] })
    expect(scale.domain).toEqual([-5, 5])
    expect(hex(scale.color(0))).toBe('#f7f7f5')
    const [below, above] = [scale.color(-3), scale.color(3)]
    expect(below[0]).toBeGreaterThan(below[2])
    expect(above[2]).toBeGreaterThan(above[0])
    expect(hex(colorScale({ kind: 'diverging', values: [0, 0] }).color(0))).toBe('#f7f7f5')
  })

  it('darkens monotonically on both sides, so that it reads without hue', () => {
    const scale = colorScale({ kind: 'diverging', values: [1] })
    const lightness = Array.from({ length: 21 }, (_, step) => {
      const [red, green, blue] = scale.at(step / 20)
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    })
    for (let step = 1; step <= 10; step++) {
      expect(lightness[10 + step]!).toBeLessThan(lightness[9 + step]!)
      expect(lightness[10 - step]!).toBeLessThan(lightness[11 - step]!)
    }
  })

  it('reverses, spaces logarithmically and clamps', () => {
    const rank = colorScale({ kind: 'sequential', values: [0, 999], spacing: 'logarithmic', reversed: true })
    expect(rank.position(99)).toBeCloseTo(Math.log(100) / Math.log(1000))
    expect(rank.color(0)).toEqual(rank.color(-5))
    expect(rank.color(0)[0]).toBeLessThan(rank.color(999)[0])
  })

  it('refuses an empty domain', () => {
    expect(() => colorScale({ kind: 'sequential', values: [], domain: [1, 1] })).toThrow('two finite numbers')
    expect(() => colorScale({ kind: 'sequential', values: [], domain: [0, Number.NaN] })).toThrow('two finite numbers')
  })

  it('puts readable text on every colour: a contrast above 4.2', () => {
    const luminance = (color: readonly number[]) => {
      const [red, green, blue] = color.map((channel) => {
        const part = channel / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
    }
    for (const kind of ['diverging', 'sequential'] as const) {
      const scale = colorScale({ kind, values: [1] })
      for (let step = 0; step <= 50; step++) {
        const background = scale.at(step / 50)
        const [a, b] = [luminance(background), luminance(readableOn(background))]
        expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThan(4.2)
      }
    }
  })

  it('keeps its order in 256 colours', () => {
    const scale = colorScale({ kind: 'diverging', values: [1] })
    const codes = Array.from({ length: 201 }, (_, step) => ansi256OfScale(scale.at(step / 200)))
    const runs = codes.filter((code, index) => code !== codes[index - 1])
    // No colour comes back once left, so equal colours mean neighbouring values.
    expect(new Set(runs).size).toBe(runs.length)
    expect(runs.length).toBeGreaterThanOrEqual(11)
  })

  it('finds the nearest of the 256 terminal colours', () => {
    expect([ansi256([0, 0, 0]), ansi256([255, 255, 255]), ansi256([255, 0, 0]), ansi256([118, 118, 118])]).toEqual([
      16, 231, 196, 243,
    ])
  })
})
