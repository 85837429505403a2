import { DiopterError } from '../errors/index.ts'

/** Token lists of one length. `mask` is 1 on real tokens and 0 on padding. */
export interface PaddedBatch {
  readonly ids: number[][]
  readonly mask: number[][]
  readonly length: number
}

/**
 * Pads token lists to the longest one's length.
 * @param padId fills the padding; any id will do where the mask is applied.
 * @param side `left` keeps every prompt's last token at the last position.
 * @returns ids and mask, both [batch][position]. @throws DiopterError on no lists.
 */
export function padTokens(
  lists: readonly (readonly number[])[],
  padId: number,
  side: 'left' | 'right' = 'left',
): PaddedBatch {
  if (lists.length === 0) throw new DiopterError('There is nothing to pad: no token lists were given.')
  const length = Math.max(...lists.map((list) => list.length))
  const place = (list: readonly number[], fill: number): number[] => {
    const padding = new Array<number>(length - list.length).fill(fill)
    return side === 'left' ? [...padding, ...list] : [...list, ...padding]
  }
  return {
    ids: lists.map((list) => place(list, padId)),
    mask: lists.map((list) => place(new Array<number>(list.length).fill(1), 0)),
    length,
  }
}
