import { describe, expect, it } from 'vitest'
import { curveOf, type LogEntry, logLine, parseLog } from './log.ts'

describe('the training log', () => {
  const entries: LogEntry[] = [
    { step: 1, values: { loss: 0.1 + 0.2, perDigit: [1, 2.5, -3] } },
    { step: 2, values: { loss: Number.NaN, norm: Number.POSITIVE_INFINITY, low: Number.NEGATIVE_INFINITY } },
    { step: 3, values: { loss: 1e-12, perDigit: [Number.NaN, 0, 1] } },
  ]

  it('comes back as it was written, numbers that JSON lacks included', () => {
    expect(parseLog(entries.map(logLine).join(''))).toEqual(entries)
    expect(logLine(entries[1]!)).toBe('{"step":2,"loss":"NaN","norm":"Infinity","low":"-Infinity"}\n')
    expect(parseLog('')).toEqual([])
  })

  it.each([
    ['{"step":1,"loss":2}\n{"step":2,"lo', /Line 2 .* not a JSON object with a step: {"step":2,"lo$/],
    ['{"loss":2}\n', /Line 1 /],
    ['[1]\n', /Line 1 /],
    ['{"step":"1"}\n', /Line 1 /],
  ])('%j is refused with its line', (text, message) => {
    expect(() => parseLog(text)).toThrow(message)
  })

  it('gives a quantity over the steps that have it', () => {
    expect(curveOf(entries, 'loss')).toEqual({ steps: [1, 2, 3], values: [0.1 + 0.2, Number.NaN, 1e-12] })
    expect(curveOf(entries, 'perDigit', 2)).toEqual({ steps: [1, 3], values: [-3, 1] })
  })

  it('names what exists when a quantity does not', () => {
    expect(() => curveOf(entries, 'accuracy')).toThrow("has no 'accuracy'; it has: loss, perDigit, norm, low.")
    expect(() => curveOf([], 'loss')).toThrow('it has: nothing.')
    expect(() => curveOf(entries, 'perDigit')).toThrow(/'perDigit' is a list of 3/)
    expect(() => curveOf(entries, 'perDigit', 3)).toThrow(/'perDigit' is a list of 3/)
  })
})
