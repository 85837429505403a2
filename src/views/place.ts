/** What a mark of a picture stands for: the part of a model and prompt that all pictures of a page point at together. */
export interface Place {
  readonly layer?: number
  readonly head?: number
  readonly neuron?: number
  /** The prompt of a result's prompts, from 0; the first unless said. */
  readonly prompt?: number
  /** A position in the prompt, from 0: where a token is read, or asks. */
  readonly position?: number
  /** The position that is attended to. */
  readonly key?: number
}

/** The place of a mark: what its row and its column stand for, together. */
export function placeAt(places: Places | undefined, row: number, column: number): Place {
  return { ...places?.all, ...places?.rows?.[row], ...places?.columns?.[column] }
}

/** What a picture's rows and columns stand for, one entry each; what is not about a part of the model has an empty one. */
export interface Places {
  /** What every mark of the picture is about. */
  readonly all?: Place
  readonly rows?: readonly Place[]
  readonly columns?: readonly Place[]
}

/**
 * Whether a mark is (a part of) the place that is selected: they agree in all that both say, and have more in common than
 * the prompt.
 */
export function isAt(mark: Place, selected: Place): boolean {
  const common = (Object.keys(mark) as (keyof Place)[]).filter(
    (key) => mark[key] !== undefined && selected[key] !== undefined,
  )
  return common.some((key) => key !== 'prompt') && common.every((key) => mark[key] === selected[key])
}
