import { type AlignedPosition, alignPrompts } from '../../tokenizer/align.ts'
import type { Place } from '../../views/index.ts'

// What the rows and columns of methods' pictures stand for.

export const layerPlaces = (layers: readonly number[]): Place[] => layers.map((layer) => ({ layer }))
export const headPlaces = (heads: readonly number[]): Place[] => heads.map((head) => ({ head }))
export const positionPlaces = (tokens: readonly unknown[]): Place[] => tokens.map((_, position) => ({ position }))

/** What all marks of one prompt's picture are about; nothing where there is only one prompt. */
export const promptPlace = (prompt: number, count: number): Place => (count > 1 ? { prompt } : {})

/** `[0, 1, 2, ...]` */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** What a part's label says: `L3H2`, `L3N14`, `3_mlp_out`; nothing for the embeddings and what is in no layer. */
export function placeOfLabel(label: string): Place {
  const [, layer, kind, index] = /^L(\d+)([HN])(\d+)$/.exec(label) ?? []
  if (layer !== undefined) return { layer: Number(layer), [kind === 'H' ? 'head' : 'neuron']: Number(index) }
  const [, block] = /^(\d+)_/.exec(label) ?? []
  return block === undefined ? {} : { layer: Number(block) }
}

/** What a component's name says: `L3H2`, `L3MLP`; nothing for the embeddings and biases. */
export function placeOfComponent(name: string): Place {
  const [, layer] = /^L(\d+)MLP$/.exec(name) ?? []
  return layer === undefined ? placeOfLabel(name) : { layer: Number(layer) }
}

interface Tokens {
  readonly ids: readonly number[]
  readonly tokens: readonly string[]
}

/** Two prompts of a result. */
export interface TokenPair {
  readonly clean: Tokens
  readonly corrupt: Tokens
}

/**
 * The places of positions of the prompt that is patched: those of the clean prompt that correspond to them, so that all
 * pictures of a page mean the same token; nothing for a token without a counterpart.
 */
export function patchedPlaces(
  { clean, corrupt }: TokenPair,
  direction: 'clean_into_corrupted' | 'corrupted_into_clean',
  positions: readonly number[],
): Place[] {
  if (direction === 'corrupted_into_clean') return positions.map((position) => ({ position }))
  const cleanOf = new Map(
    alignPrompts(clean, corrupt).positions.flatMap((column: AlignedPosition) =>
      column.clean === null || column.corrupt === null ? [] : [[column.corrupt, column.clean] as const],
    ),
  )
  return positions.map((position) => {
    const counterpart = cleanOf.get(position)
    return counterpart === undefined ? {} : { position: counterpart }
  })
}
