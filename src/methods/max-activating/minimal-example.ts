import type { MethodOptions } from '../shared/options.ts'
import type { Meter } from '../shared/result.ts'
import type { Activated } from './activation-sample.ts'
import { type ResolvedTarget, readTarget, type TargetValues, targetReadout } from './activation-target.ts'

/** The end of a context that keeps most of the activation of its last token. */
export interface MinimalExample {
  /** Its tokens in the sequence: from here to the activating position. */
  readonly first: number
  /** The activation when the model reads nothing else (but the start token), and as a share of the one in context. */
  readonly activation: number
  readonly kept: number
}

/** A context may be shortened as long as this share of the activation is left. */
export const KEPT = 0.8

/** Tokens of a shortened context that are tried, in order: 1, 2, 3, 4, 6, 8, 12, 16, 24 ... */
export function contextLengths(longest: number): number[] {
  const lengths = [1, 2, 3]
  for (let size = 4; size < longest; size *= 2) lengths.push(size, 1.5 * size)
  return lengths.filter((length) => length < longest)
}

/**
 * The shortest of the tried contexts of every example that keeps `KEPT` of its activation, all examples of one length at a time; the
 * whole context where no shorter one does, null where the activation is not positive.
 */
export async function minimalExamples(
  target: ResolvedTarget,
  examples: readonly Activated[],
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<(MinimalExample | null)[]> {
  const found = examples.map(({ sequence: { start }, activation }): MinimalExample | null =>
    activation > 0 ? { first: start, activation, kept: 1 } : null,
  )
  const open = new Set(found.flatMap((one, i) => (one ? [i] : [])))
  const longest = Math.max(0, ...examples.map(({ position, sequence }) => position + 1 - sequence.start))
  for (const length of contextLengths(longest)) {
    const tried = [...open].filter((i) => length < examples[i]!.position + 1 - examples[i]!.sequence.start)
    if (tried.length === 0) continue
    const contexts = tried.map((i) => contextOf(examples[i]!, examples[i]!.position + 1 - length))
    const { readout } = await meter.run(contexts, { edits, signal, readout: targetReadout(target) })
    tried.forEach((i, row) => {
      const { position, activation } = examples[i]!
      const first = position + 1 - length
      const left = keptBy(examples[i]!, first, readTarget(readout, row))
      if (left < KEPT * activation) return
      found[i] = { first, activation: left, kept: left / activation }
      open.delete(i)
    })
  }
  return found
}

/** The activation that a shortened context keeps; 0 where attention goes to another token than in the whole one. */
function keptBy(
  { sequence: { keys, start }, position }: Activated,
  first: number,
  { values, keys: own }: TargetValues,
) {
  const inContext = keys && own ? keys[position]! : null
  const now = own?.at(-1) ?? 0
  const isSame = inContext === null || inContext === (now < start ? now : now - start + first)
  return isSame ? values.at(-1)! : 0
}

/** What the model reads of an example from a position on: the start token, where there is one, and the tokens up to the activating one. */
export function contextOf({ sequence: { ids, start }, position }: Activated, first: number): number[] {
  return [...ids.slice(0, start), ...ids.slice(first, position + 1)]
}

/** The shares of activations that the minimal examples keep when all are run once more, side by side; null where there is none. */
export async function keptAgain(
  target: ResolvedTarget,
  examples: readonly Activated[],
  minimal: readonly (MinimalExample | null)[],
  { edits, signal }: MethodOptions,
  meter: Meter,
): Promise<number[]> {
  const known = examples.flatMap((example, i) => (minimal[i] ? [{ example, minimal: minimal[i] }] : []))
  if (known.length === 0) return []
  const contexts = known.map(({ example, minimal: { first } }) => contextOf(example, first))
  const { readout } = await meter.run(contexts, { edits, signal, readout: targetReadout(target) })
  return known.map(
    ({ example, minimal }, row) => keptBy(example, minimal.first, readTarget(readout, row)) / example.activation,
  )
}
