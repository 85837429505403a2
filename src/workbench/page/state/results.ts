import type { RunResult, RunSpecInput } from '../../../runs/index.ts'
import { createStore, type Store } from './store.ts'

/** A spec that was run or is running. */
export interface RunRecord {
  readonly spec: RunSpecInput
  /** The panel that asked for it; null where none did. */
  readonly panel: string | null
  /** It ran by itself: nobody pressed Run. */
  readonly unasked: boolean
  /** As far as it is computed; null while there is nothing yet. */
  readonly result: RunResult | null
  /** The job that computes it; null when that has ended. */
  readonly job: number | null
  /** Text that is being generated. */
  readonly text: string
  /** Why there is no (complete) result: a sentence. */
  readonly error: string | null
}

export interface ResultsState {
  /** By `specKey`. */
  readonly records: ReadonlyMap<string, RunRecord>
  /** The spec of which each panel had a result last: what it shows until there is one of its present spec. */
  readonly latest: ReadonlyMap<string, string>
}

export type ResultAction =
  | {
      readonly kind: 'start'
      readonly key: string
      readonly spec: RunSpecInput
      readonly job: number
      readonly panel: string | null
      readonly unasked: boolean
    }
  | { readonly kind: 'partial'; readonly key: string; readonly result: RunResult }
  | { readonly kind: 'token'; readonly key: string; readonly text: string }
  | { readonly kind: 'done'; readonly key: string; readonly result: RunResult }
  | { readonly kind: 'failed'; readonly key: string; readonly error: string }
  /** It was overtaken by another one: as if it had not been asked for. */
  | { readonly kind: 'forget'; readonly key: string }
  /** Results that came with the page. */
  | { readonly kind: 'give'; readonly results: readonly RunResult[] }

/** The results after an action. */
export function reduceResults(state: ResultsState, action: ResultAction): ResultsState {
  if (action.kind === 'give') {
    const records = new Map(state.records)
    const latest = new Map(state.latest)
    for (const result of action.results) {
      const key = specKey(result.spec)
      if (!records.has(key))
        records.set(key, { spec: result.spec, panel: null, unasked: false, result, job: null, text: '', error: null })
      if (!latest.has(result.spec.method)) latest.set(result.spec.method, key)
    }
    return { records, latest }
  }
  const before = state.records.get(action.key)
  if (action.kind === 'start') {
    const { key, spec, job, panel, unasked } = action
    // Running it again: what is known of it stays to be seen.
    const record: RunRecord = { spec, panel, unasked, result: before?.result ?? null, job, text: '', error: null }
    return { ...state, records: new Map(state.records).set(key, record) }
  }
  if (!before) return state
  const records = new Map(state.records)
  if (action.kind === 'forget') {
    records.delete(action.key)
    return { ...state, records }
  }
  const after = { ...before, ...changed(before, action) }
  records.set(action.key, after)
  const isShown = after.panel !== null && after.result !== null
  return { records, latest: isShown ? new Map(state.latest).set(after.panel!, action.key) : state.latest }
}

function changed(
  before: RunRecord,
  action: Exclude<ResultAction, { kind: 'give' | 'start' | 'forget' }>,
): Partial<RunRecord> {
  switch (action.kind) {
    case 'partial':
      return { result: action.result }
    case 'token':
      return { text: before.text + action.text }
    case 'done':
      return { result: action.result, job: null }
    case 'failed':
      return { error: action.error, job: null }
  }
}

/**
 * One text for specs that ask for the same: where it runs is left out, because all engines give the same numbers, and so
 * is the commit that a finished run adds.
 */
export function specKey(spec: RunSpecInput): string {
  const { model, method, prompts, parameters = {}, edits = [], prependBos, seed = 0 } = spec
  const { ref, processing } = model
  return stableJson({
    ref: ref.replace(/@[^@/]*$/, ''),
    processing,
    method,
    prompts,
    parameters,
    edits,
    prependBos,
    seed,
  })
}

/** JSON with the keys of every object in order. */
function stableJson(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  )
}

export type ResultStore = Store<ResultsState, ResultAction>
export const createResults = (): ResultStore => createStore(reduceResults, { records: new Map(), latest: new Map() })
