import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAt, type Place, placeAt } from '../place.ts'
import { chosenBlocks } from './rectangles.ts'
import { placeTest } from './surface.ts'

const place = fc.record<Place>(
  { layer: fc.nat(2), head: fc.nat(2), position: fc.nat(2), key: fc.nat(2) },
  { requiredKeys: [] },
)

describe('chosen cells', () => {
  it('are covered by blocks exactly once, and nothing else is', () => {
    const grids = fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(grids, (grid) => {
        const covered = grid.map((row) => row.map(() => 0))
        for (const { row, column, rows, columns } of chosenBlocks(grid.length, 5, (r, c) => grid[r]![c]!)) {
          for (let r = row; r < row + rows; r++) for (let c = column; c < column + columns; c++) covered[r]![c]! += 1
        }
        expect(covered).toEqual(grid.map((row) => row.map(Number)))
      }),
      { seed: 5, numRuns: 300 },
    )
  })

  it('are one block where they are a column', () => {
    expect(chosenBlocks(4, 3, (_, column) => column === 1)).toEqual([{ row: 0, column: 1, rows: 4, columns: 1 }])
  })

  it('are those whose place is at the selected one, and names what others of the picture name', () => {
    fc.assert(
      fc.property(
        place,
        fc.array(place, { maxLength: 3 }),
        fc.array(place, { maxLength: 3 }),
        place,
        (all, rows, columns, selected) => {
          const places = { all, rows, columns }
          const test = placeTest(places, selected)
          for (const row of [0, 1, 2]) {
            for (const column of [0, 1, 2]) {
              const own = placeAt(places, row, column)
              const named = (Object.keys(selected) as (keyof Place)[]).filter((key) =>
                [...rows, ...columns].some((other) => other[key] !== undefined && selected[key] !== undefined),
              )
              const isComplete = named.every((key) => own[key] !== undefined)
              expect(test(row, column)).toBe(isAt(own, selected) && isComplete)
            }
          }
        },
      ),
      { seed: 6, numRuns: 500 },
    )
  })
})
