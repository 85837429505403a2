import { expect, it } from 'vitest'
import type { RunResult, RunSpecInput } from '../../../runs/index.ts'
import { type ResultAction, type ResultsState, reduceResults, specKey } from './results.ts'

const spec: RunSpecInput = { version: 1, model: { ref: 'text' }, method: 'lens', prompts: ['Hi'] }
const result = { spec, complete: true } as unknown as RunResult
const after = (...actions: readonly ResultAction[]): ResultsState =>
  actions.reduce(reduceResults, { records: new Map(), latest: new Map() })
const start = (key: string): ResultAction => ({ kind: 'start', key, spec, job: 1, panel: 'lens', unasked: false })

it('specs that ask for the same have one key, wherever they run', () => {
  const same: RunSpecInput[] = [
    { ...spec, backend: 'wasm' },
    { ...spec, parameters: {}, edits: [], seed: 0 },
    { ...spec, model: { ref: 'text', revision: 'abc' } },
  ]
  expect(new Set([spec, ...same].map(specKey)).size).toBe(1)
  expect(specKey({ ...spec, parameters: { a: 1, b: 2 } })).toBe(specKey({ ...spec, parameters: { b: 2, a: 1 } }))
  const others: RunSpecInput[] = [
    { ...spec, prompts: ['Ho'] },
    { ...spec, seed: 1 },
    { ...spec, edits: [{ kind: 'zero', hook: 'hook_embed' }] },
  ]
  expect(new Set([spec, ...others].map(specKey)).size).toBe(4)
})

it('a panel keeps showing its last result until there is one of the new spec', () => {
  const first = after(start('a'), { kind: 'done', key: 'a', result })
  expect(first.latest.get('lens')).toBe('a')
  const second = reduceResults(first, start('b'))
  expect(second.latest.get('lens')).toBe('a')
  expect(reduceResults(second, { kind: 'partial', key: 'b', result }).latest.get('lens')).toBe('b')
})

it('what was overtaken leaves nothing behind, whatever still comes of it', () => {
  const state = after(start('a'), { kind: 'forget', key: 'a' }, { kind: 'partial', key: 'a', result })
  expect(state.records.size).toBe(0)
  expect(after(start('a'), { kind: 'failed', key: 'a', error: 'No.' }).records.get('a')).toMatchObject({
    error: 'No.',
    job: null,
  })
})

it('running again keeps what is known until the new result comes', () => {
  const state = after(start('a'), { kind: 'done', key: 'a', result }, start('a'))
  expect(state.records.get('a')).toMatchObject({ result, job: 1 })
})
