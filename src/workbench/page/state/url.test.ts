import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EditJson } from '../../../runs/index.ts'
import { readWorkspace, writeWorkspace } from './url.ts'
import { type Chip, ENGINES, initialWorkspace, type PanelState, type Pin, TABS, type Workspace } from './workspace.ts'

const typed = fc.string({ unit: 'grapheme' })
const named = fc.string({ unit: 'grapheme', minLength: 1 })
const index = fc.nat(500)
// Valibot leaves out the names that could reach an object's prototype; no parameter or method has one.
const key = fc.stringMatching(/^[a-z]+$/).filter((name) => !['constructor', 'prototype'].includes(name))

const edit: fc.Arbitrary<EditJson> = fc.oneof(
  fc.record({ kind: fc.constant('zero' as const), hook: named, heads: fc.array(index, { minLength: 1 }) }),
  fc.record({ kind: fc.constant('scale' as const), hook: named, factor: fc.integer() }),
  fc.record({ kind: fc.constant('resample' as const), hook: named, from: typed }),
)
const chip: fc.Arbitrary<Chip> = fc.record({ edit, on: fc.boolean() })
const panel: fc.Arbitrary<PanelState> = fc.record(
  {
    open: fc.boolean(),
    ran: fc.boolean(),
    table: fc.boolean(),
    prompt: fc.boolean(),
    parameters: fc.dictionary(key, fc.oneof(fc.integer(), typed, fc.array(index))),
  },
  { requiredKeys: [] },
)
const pin: fc.Arbitrary<Pin> = fc.record({
  label: typed,
  spec: fc.record({
    version: fc.constant(1 as const),
    model: fc.record({ ref: named }),
    method: key,
    prompts: fc.array(fc.oneof(typed, fc.array(index))),
    parameters: fc.dictionary(key, fc.oneof(fc.integer(), typed, fc.array(index)), { noNullPrototype: true }),
    edits: fc.array(edit),
    seed: index,
    dtype: fc.constant('float32' as const),
    backend: fc.constantFrom('cpu' as const, 'wasm' as const),
  }),
})
const workspace: fc.Arbitrary<Workspace> = fc.record({
  model: named,
  revision: fc.option(named),
  clean: typed,
  corrupt: typed,
  answer: typed,
  wrong: typed,
  chips: fc.array(chip),
  engine: fc.constantFrom(...ENGINES),
  gpu: fc.boolean(),
  tab: fc.constantFrom(...TABS),
  panels: fc.dictionary(key, panel, { noNullPrototype: true }),
  selection: fc.option(fc.record({ layer: index, head: index, position: index }, { requiredKeys: ['layer'] })),
  recipe: named,
  trained: fc.boolean(),
  pins: fc.array(pin),
  comparing: fc.boolean(),
})

describe('a workspace in the address', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(workspace, (given) => {
        const { workspace: read, problems } = readWorkspace(`#${writeWorkspace(given)}`)
        expect(problems).toEqual([])
        expect(read).toEqual(given)
      }),
    )
  })

  it('is empty for what the page opens with', () => {
    expect(writeWorkspace(initialWorkspace)).toBe('')
  })

  it('reads any text without throwing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (junk) => {
        expect(() => readWorkspace(junk)).not.toThrow()
      }),
    )
  })

  it('says what it did not understand, and keeps the rest', () => {
    const { workspace: read, problems } = readWorkspace('#tab=cause&chips={&colour=red&selection=layer.-1&clean=Hi')
    expect(read).toEqual({ ...initialWorkspace, tab: 'cause', clean: 'Hi' })
    expect(problems).toHaveLength(3)
    expect(problems.join(' ')).toMatch(/chips.*colour.*selection/s)
  })
})
