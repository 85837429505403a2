import { DiopterError } from '../../errors/index.ts'
import { fill, type Matrix } from './matrix.ts'

/** A residual stream divided into named blocks of orthogonal directions. */
export interface Registers {
  /** Of the whole stream: d_model. */
  readonly width: number
  /** The directions of a register, or of some of its indices, as columns [width, n]: what reads them. */
  select(name: string, indices?: readonly number[]): Matrix
  /** The same directions as rows [n, width]: what writes them. */
  rows(name: string, indices?: readonly number[]): Matrix
  size(name: string): number
}

/** Registers of the given sizes, one after the other. */
export function registers(sizes: Readonly<Record<string, number>>): Registers {
  const starts = new Map<string, number>()
  let width = 0
  for (const [name, size] of Object.entries(sizes)) {
    starts.set(name, width)
    width += size
  }
  const places = (name: string, indices?: readonly number[]): number[] => {
    const start = starts.get(name)
    if (start === undefined)
      throw new DiopterError(`There is no register '${name}'; there are ${[...starts.keys()].join(', ')}.`)
    return (indices ?? Array.from({ length: sizes[name]! }, (_, i) => i)).map((i) => start + i)
  }
  return {
    width,
    size: (name) => sizes[name]!,
    select(name, indices) {
      const at = places(name, indices)
      return fill(width, at.length, (row, column) => (at[column] === row ? 1 : 0))
    },
    rows(name, indices) {
      const at = places(name, indices)
      return fill(at.length, width, (row, column) => (at[row] === column ? 1 : 0))
    },
  }
}
