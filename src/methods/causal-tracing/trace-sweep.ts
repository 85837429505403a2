import type { Edit, Model } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import { mean, standardDeviation } from '../shared/statistics.ts'
import { type Swept, sweepKeepingDone } from '../shared/sweep.ts'
import { type CleanRun, type CorruptedRun, TRACED_HOOKS, type TraceMeasure, type TraceState } from './trace-runs.ts'

/** One map: what is restored, and what is held at its corrupted value meanwhile. */
export interface TraceMap {
  readonly state: TraceState
  /** How many layers around the named one are restored together. */
  readonly window: number
  /** Layers of this kind behind the restored one stay, at the restored token, as in the corrupted run. */
  readonly severed: 'mlp' | 'attn' | null
}

/** Indirect effects in row-major order of [layer][position]; null where a cancelled sweep did not come. */
export interface TracedMap {
  readonly map: TraceMap
  readonly effects: readonly (number | null)[]
  /** The standard deviation over draws; null where there is one run only. */
  readonly spread: readonly (number | null)[] | null
  readonly complete: boolean
}

/** Where states are restored. */
export interface TraceCells {
  readonly layers: readonly number[]
  readonly positions: readonly number[]
}

/** The hooks of one kind of state, layer by layer. */
export function hooksOfState({ n_layers }: ModelConfig, state: TraceState): string[] {
  return Array.from({ length: n_layers }, (_, layer) => `blocks.${layer}.${TRACED_HOOKS[state]}`)
}

/** Restores every cell of a map in every corrupted run: one sweep, whose variants are the cells' runs one after the other. */
export async function traceMap(
  model: Model,
  clean: CleanRun,
  corrupted: readonly CorruptedRun[],
  map: TraceMap,
  { layers, positions }: TraceCells,
  measure: TraceMeasure,
  options: MethodOptions,
  meter: Meter,
  onPart?: (part: TracedMap) => void,
): Promise<TracedMap> {
  const cells = layers.flatMap((layer) => positions.map((position) => ({ layer, position })))
  const variants = cells.flatMap(({ layer, position }) =>
    corrupted.map((run) => [...run.edits, ...cellEdits(model.config, clean, run, map, layer, position)]),
  )
  const traced = ({ values, complete }: Swept): TracedMap => {
    const own = cells.map((_, cell) =>
      corrupted.map(({ measures }, r) => values[cell * corrupted.length + r]! - measures[measure]),
    )
    const given = (x: number) => (Number.isNaN(x) ? null : x)
    return {
      map,
      effects: own.map((changes) => given(mean(changes))),
      spread: corrupted.length === 1 ? null : own.map((changes) => given(standardDeviation(changes))),
      complete,
    }
  }
  const [{ ids }] = corrupted as [CorruptedRun]
  const follow = onPart && ((swept: Swept) => onPart(traced(swept)))
  return traced(await sweepKeepingDone(model, ids, variants, clean.metrics[measure], options, meter, follow))
}

/** The layers that a window of `size` centred at a layer covers. */
export function windowAround(layer: number, size: number, layers: number): number[] {
  const first = Math.max(0, layer - Math.floor(size / 2))
  const last = Math.min(layers, layer - Math.floor(size / 2) + size)
  return Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i)
}

function cellEdits(
  { n_layers }: ModelConfig,
  clean: CleanRun,
  corrupted: CorruptedRun,
  { state, window, severed }: TraceMap,
  layer: number,
  position: number,
): Edit[] {
  const held = (kind: TraceState, at: number, from: CleanRun | CorruptedRun): Edit => {
    const hook = `blocks.${at}.${TRACED_HOOKS[kind]}`
    return { hook, kind: 'replace', value: from.states.get(hook)!, positions: [position] }
  }
  const later = severed ? Array.from({ length: n_layers - layer - 1 }, (_, i) => layer + 1 + i) : []
  return [
    ...windowAround(layer, window, n_layers).map((at) => held(state, at, clean)),
    ...later.map((at) => held(severed!, at, corrupted)),
  ]
}
