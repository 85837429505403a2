import { describe, expect, it } from 'vitest'
import { progressLine, progressText } from './progress.ts'
import { textOptions } from './terminal.ts'
import { formatBytes, formatDuration } from './units.ts'

const settings = { isTTY: true, columns: 100, environment: {}, color: true, platform: 'linux' } as const

describe('terminal settings', () => {
  it.each([
    ['a terminal has colour', settings, '256'],
    ['that says so has 24 bits', { ...settings, environment: { COLORTERM: 'truecolor' } }, 'truecolor'],
    ['a pipe has none', { ...settings, isTTY: false }, 'none'],
    ['a pipe with FORCE_COLOR has', { ...settings, isTTY: false, environment: { FORCE_COLOR: '1' } }, '256'],
    ['NO_COLOR', { ...settings, environment: { NO_COLOR: '1' } }, 'none'],
    ['NO_COLOR and FORCE_COLOR', { ...settings, environment: { NO_COLOR: '1', FORCE_COLOR: '1' } }, 'none'],
    ['FORCE_COLOR=0', { ...settings, environment: { FORCE_COLOR: '0' } }, 'none'],
    ['--no-color', { ...settings, color: false, environment: { FORCE_COLOR: '1' } }, 'none'],
    ['a dumb terminal', { ...settings, environment: { TERM: 'dumb' } }, 'none'],
  ])('%s', (_, given, color) => {
    expect(textOptions(given).color).toBe(color)
  })

  it('is as wide as the terminal, as COLUMNS, or 80', () => {
    expect(textOptions(settings).width).toBe(100)
    expect(textOptions({ ...settings, columns: 0 }).width).toBe(80)
    expect(textOptions({ ...settings, isTTY: false }).width).toBe(80)
    expect(textOptions({ ...settings, isTTY: false, environment: { COLUMNS: '40' } }).width).toBe(40)
  })

  it('writes ASCII only where the locale says so', () => {
    expect(textOptions(settings).unicode).toBe(true)
    expect(textOptions({ ...settings, environment: { LANG: 'C' } }).unicode).toBe(false)
    expect(textOptions({ ...settings, environment: { LANG: 'C', LC_ALL: 'de_DE.UTF-8' } }).unicode).toBe(true)
  })
})

describe('progress', () => {
  const stream = (isTTY: boolean) => {
    const written: string[] = []
    return { isTTY, columns: 30, written, write: (text: string) => written.push(text) }
  }

  it('says how much is done and how long the rest takes', () => {
    expect(progressText({ phase: 'running variants', done: 96, total: 192, unit: 'variants', etaSeconds: 200 })).toBe(
      'running variants: 96 of 192 variants (50%), 3 min 20 s left',
    )
    expect(progressText({ phase: 'model.safetensors', done: 5e8, total: 2e9, unit: 'bytes' })).toBe(
      'model.safetensors: 500 MB of 2.0 GB (25%)',
    )
    expect(progressText({ phase: 'waiting', done: 0, total: 0 })).toBe('waiting')
    const detail = 'loss 2.838, 21368 tokens/s'
    expect(progressText({ phase: 'training', done: 5, total: 50, unit: 'steps', etaSeconds: 9, detail })).toBe(
      'training: 5 of 50 steps (10%), 9 s left, loss 2.838, 21368 tokens/s',
    )
  })

  it('redraws one line at most ten times a second, and always the end', () => {
    const terminal = stream(true)
    let time = 0
    const { onProgress, clear } = progressLine(terminal, false, () => time)
    onProgress({ phase: 'too early to show', done: 0, total: 3 })
    time = 300
    onProgress({ phase: 'a', done: 0, total: 3 })
    onProgress({ phase: 'a', done: 1, total: 3 })
    time = 450
    onProgress({ phase: 'a', done: 2, total: 3 })
    onProgress({ phase: 'a', done: 3, total: 3 })
    clear()
    clear()
    expect(terminal.written.map((text) => text.replace('\r\u001b[2K', '>'))).toEqual([
      '>a: 0 of 3 (0%)',
      '>a: 2 of 3 (66%)',
      '>a: 3 of 3 (100%)',
      '>',
    ])
  })

  it('is silent in a pipe unless asked for', () => {
    const [silent, asked] = [stream(false), stream(false)]
    progressLine(silent, false).onProgress({ phase: 'a', done: 1, total: 2 })
    progressLine(asked, true).onProgress({ phase: 'a', done: 1, total: 2 })
    expect([silent.written, asked.written]).toEqual([[], ['a: 1 of 2 (50%)\n']])
  })

  it('writes sizes and times for people', () => {
    expect([999, 1000, 12_345_678, 5e12].map(formatBytes)).toEqual(['999 bytes', '1.0 kB', '12 MB', '5.0 TB'])
    expect([0.4, 59.6, 3599, 7500].map(formatDuration)).toEqual(['0 s', '1 min 0 s', '59 min 59 s', '2 h 5 min'])
  })
})
