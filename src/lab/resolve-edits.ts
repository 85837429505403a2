import { DiopterError } from '../errors/index.ts'
import { type Activation, ofPrompt } from './arrays.ts'
import type { PlannedEdit } from './batch-taps.ts'
import {
  type ArrayValue,
  type Edit,
  type EditRequest,
  type Edits,
  listEdits,
  type Prompt,
  type ResolvedEdit,
} from './edits.ts'
import { isAttentionHook, matchNames } from './hook-names.ts'
import { listPrompts } from './prompts.ts'

/** Runs prompts without edits and gives the activations of hooks: what edits that take values from other runs need. */
export type CaptureRun = (
  prompts: readonly Prompt[],
  hooks: readonly string[],
) => Promise<Readonly<Record<string, Activation>>>

/**
 * Edits with their hooks matched and their values filled in. Throws for a hook that does not exist (with near matches),
 * and for values that cannot fit.
 */
export async function planEdits(
  edits: Edits | undefined,
  hookNames: readonly string[],
  prompts: readonly Prompt[],
  captureRun: CaptureRun,
): Promise<PlannedEdit[]> {
  const planned: PlannedEdit[] = []
  for (const request of listEdits(edits)) planned.push(await planEdit(request, hookNames, prompts, captureRun))
  return planned
}

async function planEdit(
  { hook: pattern, edit }: EditRequest,
  hookNames: readonly string[],
  prompts: readonly Prompt[],
  captureRun: CaptureRun,
): Promise<PlannedEdit> {
  const hooks = matchNames(pattern, hookNames, 'The hook')
  if (typeof edit === 'function') return { pattern, kind: 'function', hooks, edit, fired: 0 }
  const byHook = await resolveEdit(edit, hooks, prompts, captureRun)
  return { pattern, kind: edit.kind, hooks, edit: byHook.get(hooks[0]!)!, byHook, fired: 0 }
}

/** The edit at each of its hooks. */
export async function resolveEdit(
  edit: Edit,
  hooks: readonly string[],
  prompts: readonly Prompt[],
  captureRun: CaptureRun,
): Promise<Map<string, ResolvedEdit>> {
  const { hook: _, positions, heads, neurons, keys } = edit
  for (const [name, list] of Object.entries({ positions, heads, neurons, keys })) {
    if (list?.length === 0)
      throw new DiopterError(`The edit of ${edit.hook} has an empty list of ${name}; leave it out to mean all.`)
  }
  const forEach = (make: (hook: string) => DistributiveOmit<ResolvedEdit, 'hook'>) =>
    new Map(hooks.map((hook) => [hook, { hook, positions, heads, neurons, keys, ...make(hook) }]))
  switch (edit.kind) {
    case 'zero':
      return forEach(() => ({ kind: 'set', values: [scalarValue(0)] }))
    case 'replace':
      return forEach(() => ({ kind: 'set', values: [asArray(edit.value)] }))
    case 'add': {
      const value = asArray(edit.value)
      const factor = edit.factor ?? 1
      const scaled = { shape: value.shape, data: Float32Array.from(value.data as Float32Array, (x) => x * factor) }
      return forEach(() => ({ kind: 'add', values: [scaled] }))
    }
    case 'scale':
      return forEach(() => ({ kind: 'scale', factor: edit.factor }))
    case 'project_out':
      if (edit.direction.every((x: number) => x === 0))
        throw new DiopterError(`project_out at ${edit.hook}: the direction is zero.`)
      return forEach(() => ({ kind: 'project_out', direction: Float32Array.from(edit.direction) }))
    case 'clamp':
      if (edit.min === undefined && edit.max === undefined)
        throw new DiopterError(`clamp at ${edit.hook} has neither min nor max.`)
      return forEach(() => ({
        kind: 'clamp',
        min: edit.min ?? Number.NEGATIVE_INFINITY,
        max: edit.max ?? Number.POSITIVE_INFINITY,
      }))
    case 'freeze': {
      const clean = await captureRun(prompts, hooks)
      return forEach((hook) => ({
        kind: 'set',
        values: prompts.map((_, i) => ofPrompt(clean[hook]!, i)),
        byPosition: true,
      }))
    }
    case 'resample': {
      const from = listPrompts(edit.from)
      if (from.length !== 1 && from.length !== prompts.length)
        throw new DiopterError(
          `resample at ${edit.hook}: ${from.length} source prompts for ${prompts.length} prompts; give one for all, or one for each.`,
        )
      const source = await captureRun(from, hooks)
      return forEach((hook) => ({
        kind: 'set',
        values: from.map((_, i) => ofPrompt(source[hook]!, i)),
        byPosition: true,
      }))
    }
    case 'mean': {
      const source = await captureRun(edit.prompts ?? prompts, hooks)
      return forEach((hook) => ({
        kind: 'set',
        values: [meanActivation(source[hook]!, edit.per ?? 'all')],
        byPosition: edit.per === 'position' || isAttentionHook(hook),
      }))
    }
    default:
      throw new DiopterError(
        `The edit of ${hooks[0]} has the kind '${(edit as { kind: unknown }).kind}'; there are zero, mean, resample, replace, add, scale, project_out, clamp and freeze.`,
      )
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown
  ? Omit<T, K | 'positions' | 'heads' | 'neurons' | 'keys'>
  : never

const scalarValue = (value: number): ArrayValue => ({ shape: [], data: Float32Array.of(value) })

function asArray(value: number | readonly number[] | ArrayValue): ArrayValue {
  if (typeof value === 'number') return scalarValue(value)
  if (!('data' in value)) return { shape: [value.length], data: Float32Array.from(value) }
  if (value.data instanceof Float32Array) return value
  return { shape: value.shape, data: Float32Array.from(value.data as ArrayLike<number | bigint>, Number) }
}

/**
 * The mean over prompts, and over positions unless `per` is `position`: [features...] or [P, features...].
 * Attention hooks are averaged over prompts only, [H, Q, K].
 */
export function meanActivation(activation: Activation, per: 'all' | 'position'): ArrayValue {
  const byPosition = per === 'position' || isAttentionHook(activation.name)
  const rows = activation.lengths.map((_, i) => ofPrompt(activation, i))
  const shape = byPosition ? rows[0]!.shape : rows[0]!.shape.slice(1)
  if (byPosition && activation.lengths.some((n) => n !== activation.lengths[0])) {
    throw new DiopterError(
      `A mean per position of ${activation.name} needs prompts of one length; these have ${[...new Set(activation.lengths)].join(', ')} tokens. ${per === 'position' ? "Use per: 'all', or prompts of one length." : 'The positions of attention are never averaged.'}`,
    )
  }
  const size = shape.reduce((product, n) => product * n, 1)
  const sums = new Float64Array(size)
  let count = 0
  for (const { data } of rows) {
    for (let i = 0; i < data.length; i++) sums[i % size]! += Number(data[i])
    count += data.length / size
  }
  return { shape, data: Float32Array.from(sums, (sum) => sum / count) }
}
