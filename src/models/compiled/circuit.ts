import { fill, type Matrix, scale } from './matrix.ts'
import type { Registers } from './registers.ts'

/**
 * One attention head as a sum of simple parts. Its score for a query and a key is the sum over `scores` of
 * (query's x times `query`) . (key's x times `key`); what it writes, for a key that it attends to, is the sum over `moves`
 * of (key's x times `from`) times `to`. Every part has dimensions of the head for itself.
 */
export interface HeadPlan {
  /** Matrices [d, r]. */
  readonly scores: readonly { readonly query: Matrix; readonly key: Matrix }[]
  /** [d, r] and [r, d]. */
  readonly moves: readonly { readonly from: Matrix; readonly to: Matrix }[]
}

/** One neuron: relu(x . reads + bias) times `writes`. */
export interface NeuronPlan {
  /** [d, 1] */
  readonly reads: Matrix
  readonly bias: number
  /** [1, d] */
  readonly writes: Matrix
}

/** A layer's heads and neurons by role; roles are unique in a circuit. */
export interface LayerPlan {
  readonly heads: Readonly<Record<string, HeadPlan>>
  readonly neurons?: Readonly<Record<string, NeuronPlan>>
  /** Added to what the neurons write, [1, d]. */
  readonly bias?: Matrix
}

/** A transformer in register coordinates, before its places are drawn. */
export interface CircuitPlan {
  /** Every token is one character. The first is the start token. */
  readonly tokens: readonly string[]
  readonly registers: Registers
  /** [tokens, d] */
  readonly embedding: Matrix
  /** [context, d] */
  readonly positions: Matrix
  readonly layers: readonly LayerPlan[]
  /** [d, tokens] */
  readonly unembedding: Matrix
  /** The norm before every part; with `LN`, coordinate 0 is the direction in which all of x is equal. */
  readonly norm: 'RMS' | 'LN' | null
  /**
   * The residual stream is turned by an orthogonal matrix [d, d] in layer `after` (whose neurons must do it): all that reads or
   * writes behind it, idle parts and the unembedding too, is turned with it.
   */
  readonly turned?: { readonly after: number; readonly by: Matrix }
}

/** Attention scores between what should be attended to and what should not: exp(-SHARP / 2) is lost in float32. */
export const SHARP = 80

/** Attends to one position, from wherever it can be seen. */
export function attendTo(space: Registers, position: number, sharp = SHARP): HeadPlan['scores'][number] {
  return { query: scale(sharp, space.select('one')), key: space.select('position', [position]) }
}

/** Attends to the position before. */
export function attendToPrevious(space: Registers, sharp = SHARP): HeadPlan['scores'][number] {
  const positions = Array.from({ length: space.size('position') - 1 }, (_, i) => i)
  return {
    query: scale(
      sharp,
      space.select(
        'position',
        positions.map((i) => i + 1),
      ),
    ),
    key: space.select('position', positions),
  }
}

/** Attends where one register of the key equals another of the query. */
export function match(
  space: Registers,
  query: string,
  key: string,
  sharp = SHARP,
  indices?: readonly number[],
): HeadPlan['scores'][number] {
  return { query: scale(sharp, space.select(query, indices)), key: space.select(key, indices) }
}

/** Copies a register, or some of its indices, to as many of another. */
export function move(
  space: Registers,
  from: readonly [name: string, indices?: readonly number[]],
  to: readonly [name: string, indices?: readonly number[]],
  factor = 1,
): HeadPlan['moves'][number] {
  return { from: space.select(...from), to: scale(factor, space.rows(...to)) }
}

/** Neurons that write (x . reads) times writes, [d, r] and [r, d]: two for every column, for its positive and its negative part. */
export function linearNeurons(reads: Matrix, writes: Matrix, name: string): Record<string, NeuronPlan> {
  const pairs = Array.from({ length: reads.columns }, (_, i) => {
    const column = fill(reads.rows, 1, (row) => reads.data[row * reads.columns + i]!)
    const row = {
      rows: 1,
      columns: writes.columns,
      data: writes.data.subarray(i * writes.columns, (i + 1) * writes.columns),
    }
    return [1, -1].map((sign): [string, NeuronPlan] => [
      `${name} ${sign > 0 ? '+' : '-'}${i}`,
      { reads: scale(sign, column), bias: 0, writes: scale(sign, row) },
    ])
  })
  return Object.fromEntries(pairs.flat())
}
