import type { Chosen, Mark } from './surface.ts'

/** A block of cells. */
export interface Block extends Mark {
  readonly rows: number
  readonly columns: number
}

/** The chosen cells of a grid as few blocks: runs along rows, joined with equal runs in the rows above. */
export function chosenBlocks(count: number, columns: number, chosen: Chosen): Block[] {
  const done: Block[] = []
  let open: Block[] = []
  for (let row = 0; row < count; row++) {
    const next: Block[] = []
    for (const run of runsOf(row, columns, chosen)) {
      const above = open.find((block) => block.column === run.column && block.columns === run.columns)
      next.push(above ? { ...above, rows: above.rows + 1 } : run)
    }
    done.push(
      ...open.filter((block) => !next.some((other) => other.row === block.row && other.column === block.column)),
    )
    open = next
  }
  return [...done, ...open]
}

function runsOf(row: number, columns: number, chosen: Chosen): Block[] {
  const runs: Block[] = []
  let from = -1
  for (let column = 0; column <= columns; column++) {
    const isChosen = column < columns && chosen(row, column)
    if (isChosen && from === -1) from = column
    if (isChosen || from === -1) continue
    runs.push({ row, column: from, rows: 1, columns: column - from })
    from = -1
  }
  return runs
}
