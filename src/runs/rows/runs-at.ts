import { PATCHABLE, type PatchBy, type PatchSweep, type PatchWhat } from '../../methods/index.ts'
import type { Place } from '../../views/index.ts'
import type { EditJson } from '../edit-schema.ts'
import type { LabelledSpec } from '../method.ts'
import type { PairJson, PromptJson } from '../prompt-schema.ts'
import type { RunSpec } from '../schema.ts'
import type { TokenPair } from './places.ts'

/** A run of the spec's model on one prompt, with one more edit: what it predicts. */
export function predictionSpec(spec: RunSpec, label: string, prompt: PromptJson, edit?: EditJson): LabelledSpec {
  const { version, model, prependBos, seed, backend } = spec
  const edits = [...spec.edits, ...(edit ? [edit] : [])]
  return { label, spec: { version, model, method: 'predict', prompts: [prompt], edits, prependBos, seed, backend } }
}

/** The part of an edit that narrows it, from a spec's own parameters and a place. */
export function regionOf(
  { layer, head, neuron }: Place,
  hook: string,
  positions: unknown,
): Pick<EditJson, 'hook' | 'heads' | 'neurons' | 'positions'> {
  return {
    hook: `blocks.${layer}.${hook}`,
    ...(Array.isArray(positions) ? { positions } : {}),
    ...(head === undefined ? {} : { heads: [head] }),
    ...(neuron === undefined ? {} : { neurons: [neuron] }),
  }
}

/** `L3H2`, `L3N7` or `layer 3`. */
export function nameOf({ layer, head, neuron }: Place): string {
  if (head !== undefined) return `L${layer}H${head}`
  return neuron === undefined ? `layer ${layer}` : `L${layer}N${neuron}`
}

/** What a patched place says: the axes that name its cell. */
const NAMED_BY: Readonly<Record<PatchBy, readonly ('layer' | 'position' | 'head' | 'neuron')[]>> = {
  position: ['layer', 'position'],
  layer: ['layer'],
  head: ['layer', 'head'],
  head_position: ['layer', 'position', 'head'],
  neuron: ['layer', 'neuron'],
}

interface Patched {
  readonly what: PatchWhat
  readonly by: PatchBy
  readonly pairs: readonly TokenPair[]
}

/**
 * The clean run, the corrupted one, and the runs with the place's cell taken from the other, as `sweeps` made them. Only the
 * first two where the patched ones cannot be written as edits: prompts of unequal length, whose positions do not correspond,
 * and edits of the spec, which the run that gives the activations sees too.
 */
export function patchRuns(
  spec: RunSpec,
  { what, by, pairs }: Patched,
  sweeps: readonly Pick<PatchSweep, 'direction' | 'axes' | 'positions'>[],
  { prompt = 0, ...selected }: Place,
): LabelledSpec[] {
  // A selection may say more than what one cell is.
  const place: Place = Object.fromEntries(NAMED_BY[by].map((axis) => [axis, selected[axis]]))
  const [asked, pair] = [spec.prompts[prompt] as PairJson | undefined, pairs[prompt]]
  const isCell = NAMED_BY[by].every((axis) => {
    if (place[axis] === undefined) return false
    const swept = axis === 'position' ? sweeps[0]!.positions : sweeps[0]!.axes[axis]
    return swept?.includes(place[axis]) === true
  })
  if (asked === undefined || pair === undefined || !isCell) return []
  const { clean, corrupt } = asked
  const both = [predictionSpec(spec, 'clean', clean), predictionSpec(spec, 'corrupted', corrupt)]
  if (pair.clean.ids.length !== pair.corrupt.ids.length || spec.edits.length > 0) return both
  const hasPosition = NAMED_BY[by].includes('position')
  const cell = hasPosition ? `${nameOf(place)}, "${pair.clean.tokens[place.position!]}"` : nameOf(place)
  const region = regionOf(place, PATCHABLE[what], hasPosition ? [place.position] : spec.parameters.positions)
  const patched = sweeps.map(({ direction }) => {
    const [into, from, name] =
      direction === 'clean_into_corrupted'
        ? ([corrupt, clean, 'corrupted, with the clean'] as const)
        : ([clean, corrupt, 'clean, with the corrupted'] as const)
    return predictionSpec(spec, `${name} ${what} of ${cell}`, into, { ...region, kind: 'resample', from })
  })
  return [...both, ...patched]
}
