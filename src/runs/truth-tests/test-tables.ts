import type { Table } from '../../views/index.ts'
import type { MethodTest } from './test-method.ts'

// A test of a method as tables: of families, and of checks.

/** One row per family and amount of mechanism, and a last one for all; numbers in full. */
export function familyTable({ families, total }: MethodTest): Table {
  const rows = [...families, { family: 'all', mislead: null, ...total }]
  return {
    columns: [
      'family',
      'mislead',
      'runs',
      'refused',
      'precision',
      'recall',
      'misled',
      'misled, check fired',
      'right',
      'right, check fired',
    ],
    rows: rows.map((row) => [
      row.family,
      row.mislead,
      row.runs,
      row.refused,
      row.precision,
      row.recall,
      row.misled,
      row.firedWhenMisled,
      row.right,
      row.firedWhenRight,
    ]),
  }
}

/** One row per check of the method. */
export function checkTable({ checks }: MethodTest): Table {
  return {
    columns: ['check', 'watches', 'misled', 'misled, fired', 'right', 'right, fired', 'not tested'],
    rows: checks.map((check) => [
      check.name,
      check.watches ? 'yes' : 'no',
      check.misled,
      check.firedWhenMisled,
      check.right,
      check.firedWhenRight,
      check.notTested,
    ]),
  }
}
