import { describe, expect, it } from 'vitest'
import { parseSpec, type RunResult } from '../../runs/index.ts'
import type { LogEntry } from '../../train/index.ts'
import { decodeEvent, encodeEvent, isLast, type WireEvent } from './wire.ts'

const lensResult: RunResult = {
  version: 1,
  spec: parseSpec({ version: 1, model: { ref: 'text' }, method: 'lens', prompts: ['a'] }),
  provenance: {
    model: 'text',
    revision: null,
    processing: [],
    dtype: 'float32',
    backend: 'none',
    seed: 0,
    startToken: '',
  },
  values: {},
  checks: [],
  cost: { milliseconds: 1, compiles: 0, runs: 1, variants: 0 },
  edits: [],
  complete: true,
}

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

  it('typed arrays arrive with every bit, and far smaller than as lists', () => {
    const data = Float32Array.from({ length: 30_000 }, (_, i) => Math.fround(Math.sin(i)))
    data.set([Number.NaN, Number.NEGATIVE_INFINITY, -0], 7)
    const grid = { shape: [100, 300], dtype: 'float32', data }
    const whole = { dtype: 'int64', data: BigInt64Array.of(-5n, 2n ** 60n) }
    const result = { ...lensResult, values: { grid, list: [whole, { dtype: 'bool', data: Uint8Array.of(1, 0) }] } }
    const text = encodeEvent({ kind: 'done', answer: result })
    expect(text.length).toBeLessThan(data.byteLength * 1.4 + 2000)
    expect(decodeEvent('run', text)).toEqual({ kind: 'done', answer: result })
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
