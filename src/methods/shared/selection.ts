import { DiopterError } from '../../errors/index.ts'

/** The chosen indices of 0..size-1, counted from the end when negative; all when none are given. Throws outside. */
export function indicesWithin(chosen: readonly number[] | undefined, size: number, what: string): number[] {
  if (chosen === undefined) return Array.from({ length: size }, (_, i) => i)
  return chosen.map((i) => {
    const at = i < 0 ? i + size : i
    if (!Number.isInteger(i) || at < 0 || at >= size)
      throw new DiopterError(`${what} ${i} was asked for; there are ${size} (0..${size - 1}, or -1 for the last).`)
    return at
  })
}
