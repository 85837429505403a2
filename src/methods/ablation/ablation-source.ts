import { DiopterError } from '../../errors/index.ts'
import {
  type Activation,
  type ArrayValue,
  type Edit,
  type Model,
  ofPrompt,
  type Prompt,
  type TokenizedPrompt,
} from '../../lab/index.ts'
import { meanActivation } from '../../lab/resolve-edits.ts'
import { permutation, randomSource } from '../../random/index.ts'
import type { Meter } from '../shared/result.ts'
import type { AblationKind, Part, ReplacementOptions } from './ablation-parts.ts'

/** How many other prompts activations are resampled from. */
const DRAWS = 3

/** Where replacements come from: reference activations per hook. */
export interface AblationSource {
  /** The kinds that the prompt and the reference allow. */
  readonly kinds: readonly AblationKind[]
  /** What replaces a part: one edit, or one per draw when resampling. */
  readonly draws: (part: Part, kind: AblationKind) => readonly Edit[]
  /** The prompts that resampled activations come from, one per draw, cut to the length of the question's. */
  readonly resampled: readonly (readonly number[])[]
  /** Activations of the references by hook. */
  readonly reference: Readonly<Record<string, Activation>>
}

/** Runs what replacements for one prompt come from. Throws when the kind asked for needs another reference than there is. */
export async function ablationSource(
  model: Model,
  hooks: readonly string[],
  prompt: TokenizedPrompt,
  options: ReplacementOptions,
  meter: Meter,
): Promise<AblationSource> {
  const { kind = 'mean', reference, draws = DRAWS, seed = 0, edits, prependBos, signal, positions } = options
  const { ids } = prompt
  if (!Number.isInteger(draws) || draws < 1)
    throw new DiopterError(`Activations were to be resampled from ${draws} prompts; give a whole number from 1.`)
  const tokenized = (reference ?? []).map((other) => model.tokenize(other, prependBos).ids)
  const long = tokenized.flatMap((other, i) => (other.length >= ids.length ? [i] : []))
  // A prompt that begins as this one would replace nothing.
  const others = long.filter((i) => ids.some((id, p) => tokenized[i]![p] !== id))
  const picked = chosen(others, draws, seed, ids)
  const shuffled = reference ? [] : shufflings(ids, draws, seed)
  const drawn = reference ? picked.map((i) => tokenized[i]!.slice(0, ids.length)) : shuffled
  refuse(kind, reference !== undefined, long.length, drawn.length, ids.length)
  const run = (prompts: readonly Prompt[]) => meter.run(prompts, { capture: hooks, edits, prependBos, signal })
  const captures = (await run(reference ?? [ids])).captures
  const reordered = shuffled.length === 0 ? null : (await run(shuffled)).captures
  const part = (activation: Activation, i: number) => leading(ofPrompt(activation, i), ids.length)
  // Cut and averaged once, so that edits share their values.
  const means = new Map(hooks.map((hook) => [hook, meanActivation(captures[hook]!, 'all')]))
  const byPosition =
    long.length === 0
      ? null
      : new Map(hooks.map((hook) => [hook, meanOf(long.map((i) => part(captures[hook]!, i)))] as const))
  const resampled = new Map(
    hooks.map((hook) => [
      hook,
      reordered ? shuffled.map((_, i) => part(reordered[hook]!, i)) : picked.map((i) => part(captures[hook]!, i)),
    ]),
  )
  const region = ({ hook, head, neuron }: Part) => ({
    hook,
    ...(positions ? { positions } : {}),
    ...(head === undefined ? {} : { heads: [head] }),
    ...(neuron === undefined ? {} : { neurons: [neuron] }),
  })
  const valuesOf: Readonly<Record<Exclude<AblationKind, 'zero'>, (hook: string) => readonly ArrayValue[]>> = {
    mean: (hook) => [means.get(hook)!],
    position_mean: (hook) => [byPosition!.get(hook)!],
    resample: (hook) => resampled.get(hook)!,
  }
  return {
    kinds: [
      'zero',
      'mean',
      ...(byPosition ? ['position_mean' as const] : []),
      ...(drawn.length > 0 ? ['resample' as const] : []),
    ],
    reference: captures,
    resampled: drawn,
    draws: (part, kind) =>
      kind === 'zero'
        ? [{ ...region(part), kind }]
        : valuesOf[kind](part.hook).map((value): Edit => ({ ...region(part), kind: 'replace', value })),
  }
}

/** Throws where the kind asked for has nothing to take its values from. */
function refuse(kind: AblationKind, hasReference: boolean, long: number, drawn: number, length: number): void {
  if (kind === 'position_mean' && !hasReference)
    throw new DiopterError(
      "A mean position by position needs reference prompts: over the prompt alone it is the prompt's own activation.",
    )
  if ((kind === 'position_mean' || kind === 'resample') && hasReference && long === 0)
    throw new DiopterError(
      `${kind === 'resample' ? 'Resampling takes activations from the same positions of another prompt' : 'A mean position by position is over prompts that have these positions'}, but no reference prompt has the ${length} tokens of this one. Give a longer one.`,
    )
  if (kind === 'resample' && hasReference && drawn === 0)
    throw new DiopterError(
      'Resampling takes activations from another prompt, but all reference prompts of this length begin as this one does. Give others.',
    )
  if (kind === 'resample' && drawn === 0)
    throw new DiopterError(
      `Resampling without a reference takes activations from the prompt's own tokens in another order, and this prompt of ${length} tokens has no other. Give a reference.`,
    )
}

/** Some of the entries, in a random order, which is another one for every prompt: errors of questions then average out. */
function chosen(entries: readonly number[], count: number, seed: number, prompt: readonly number[]): number[] {
  const order = permutation(entries.length, randomSource(seed, 'resample', ...prompt))
  return Array.from(order.subarray(0, count), (i) => entries[i]!)
}

/** The prompt's own tokens in other orders. The first one stays in its place: it is the start token where there is one. */
function shufflings([first, ...rest]: readonly number[], count: number, seed: number): number[][] {
  if (new Set(rest).size < 2) return []
  return Array.from({ length: count }, (_, draw) => {
    const random = randomSource(seed, 'resample', draw)
    for (;;) {
      const ids = Array.from(permutation(rest.length, random), (i) => rest[i]!)
      if (ids.some((id, i) => id !== rest[i])) return [first!, ...ids]
    }
  })
}

/** The first `length` positions of [P, ...]. */
function leading({ shape, data }: ArrayValue, length: number): ArrayValue {
  const size = data.length / shape[0]!
  return { shape: [length, ...shape.slice(1)], data: data.subarray(0, length * size) as Float32Array }
}

/** The mean of arrays of one shape. */
function meanOf(parts: readonly ArrayValue[]): ArrayValue {
  const sums = new Float64Array(parts[0]!.data.length)
  for (const { data } of parts) for (let i = 0; i < sums.length; i++) sums[i]! += Number(data[i])
  return { shape: parts[0]!.shape, data: Float32Array.from(sums, (sum) => sum / parts.length) }
}
