import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { awkwardTokens } from './examples.ts'
import { displayWidth, pad, truncate, visibleLabel, visibleText, wrap } from './labels.ts'

/** Anything a terminal could act on, or an eye could miss. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

describe('visible labels', () => {
  it('writes out what cannot be seen', () => {
    expect(awkwardTokens.map((token) => visibleLabel(token))).toEqual([
      '⏎',
      '⇥',
      '·',
      '···',
      '∅',
      '␛[31mred',
      '日本語',
      '🙂',
      'é',
      '◌\u0301',
      '\\u{202e}abc',
      '<b>&"',
      '␇',
      'a␀b',
      '\\u{d83d}',
      '\\u{200b}',
      'wordwordwordwordwordword',
    ])
    expect(visibleLabel(' the  end of\u00a0it ')).toBe('·the··end of\\u{a0}it·')
  })

  it('is ASCII where the terminal is', () => {
    expect(visibleLabel('\n', false)).toBe('\\n')
    expect(visibleLabel('\\n', false)).toBe('\\\\n')
    expect(visibleLabel(' é', false)).toBe('_\\u{e9}')
    expect(visibleLabel('', false)).toBe('(empty)')
  })

  it('lets no control character through, whatever the token', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (token) => {
        expect(visibleLabel(token)).not.toMatch(UNSEEN)
        expect(visibleText(token)).not.toMatch(UNSEEN)
        expect(visibleLabel(token, false)).toMatch(/^[ -~]*$/)
      }),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('display width', () => {
  it.each([
    ['abc', 3],
    ['日本語', 6],
    ['한글', 4],
    ['ｆｕｌｌ', 8],
    ['ﾊﾝｶｸ', 4],
    ['🙂', 2],
    ['👍🏽', 2],
    ['🇫🇷', 2],
    ['e\u0301', 1],
    ['❤\ufe0f', 2],
    ['⏎·…', 3],
    ['Привет', 6],
  ])('%s takes %i columns', (text, columns) => {
    expect(displayWidth(text)).toBe(columns)
  })

  it('cuts and fills by columns, not by characters', () => {
    expect(truncate('日本語', 5)).toBe('日本…')
    expect(truncate('日本語', 4)).toBe('日…')
    expect(truncate('word', 4)).toBe('word')
    expect(truncate('words', 4, false)).toBe('wor~')
    expect(pad('日本', 6, 'right')).toBe('  日本')
    expect(wrap('one two 日本語日本語', 7)).toEqual(['one two', '日本語', '日本語'])
  })

  it('never exceeds the columns asked for', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 30 }), (raw, columns) => {
        const text = visibleLabel(raw)
        expect(displayWidth(truncate(text, columns))).toBeLessThanOrEqual(columns)
        for (const line of wrap(text, columns)) expect(displayWidth(line)).toBeLessThanOrEqual(columns)
      }),
      { seed: 2, numRuns: 500 },
    )
  })
})
