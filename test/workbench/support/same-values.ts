import { expect } from 'vitest'
import type { RunResult } from '../../../src/index.ts'

/** Of numbers up to 1, and relative to larger ones. */
const TOLERANCE = 1e-4

/** Expects two results to have the same structure and texts, and numbers that differ by no more than 1e-4. */
export function expectSameValues(actual: RunResult, expected: RunResult): void {
  const { compared, differences } = compare(expected.values, actual.values)
  expect(differences).toEqual([])
  expect(compared).toBeGreaterThan(0)
}

/** Where two results differ: in structure, texts, or by more than the tolerance of a number. */
function compare(
  expected: RunResult['values'],
  actual: RunResult['values'],
): { compared: number; differences: string[] } {
  const differences: string[] = []
  let compared = 0
  const visit = (a: unknown, b: unknown, path: string): void => {
    if (typeof a === 'number' && typeof b === 'number') {
      compared++
      const bound = TOLERANCE * Math.max(1, Math.abs(a))
      if (!(Math.abs(a - b) <= bound || Object.is(a, b))) differences.push(`${path}: ${a} and ${b}`)
    } else if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null) {
      const [as, bs] = [a, b].map((side) => Object.entries(side))
      if (as!.length !== bs!.length) differences.push(`${path}: ${as!.length} and ${bs!.length} entries`)
      for (const [key, value] of as!) visit(value, (b as Record<string, unknown>)[key], `${path}.${key}`)
    } else if (a !== b) differences.push(`${path}: ${String(a)} and ${String(b)}`)
  }
  visit(expected, actual, 'values')
  return { compared, differences: differences.slice(0, 8) }
}
