import { describe, expect, it } from 'vitest'
import type { LogEntry } from '../../train/index.ts'
import { decodeEvent, encodeEvent, isLast, type WireEvent } from './wire.ts'

describe('the wire', () => {
  it('a log keeps numbers that JSON lacks', () => {
    const log: LogEntry[] = [
      { step: 0, values: { loss: 1.5, 'test/accuracies': [0.1, Number.NaN] } },
      { step: 1, values: { loss: Number.POSITIVE_INFINITY } },
    ]
    const entries: WireEvent = { kind: 'log', entries: log }
    expect(decodeEvent('train', encodeEvent(entries))).toEqual(entries)
    const done: WireEvent = { kind: 'done', answer: { log, complete: true, seconds: 1 } }
    expect(decodeEvent('train', encodeEvent(done))).toEqual(done)
  })

  it('an event is one line, whatever its texts hold', () => {
    const event: WireEvent = { kind: 'token', prompt: 0, text: 'a\nb\u2028c\r' }
    expect(encodeEvent(event)).not.toMatch(/[\n\r]/)
    expect(decodeEvent('run', encodeEvent(event))).toEqual(event)
  })

  it('what is no event is an error', () => {
    expect(() => decodeEvent('run', '<html>')).toThrow(/no event: <html>/)
    expect(() => decodeEvent('run', '{"kind":"done","answer":{}}')).toThrow(/The result is not valid/)
  })

  it('three kinds are last', () => {
    const kinds = ['started', 'queued', 'progress', 'partial', 'token', 'log', 'done', 'failed', 'cancelled'] as const
    expect(kinds.filter((kind) => isLast({ kind }))).toEqual(['done', 'failed', 'cancelled'])
  })
})
