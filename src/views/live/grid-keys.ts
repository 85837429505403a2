import type { Mark } from './surface.ts'

const PAGE = 10

/** The cell that a key leads to: arrows by one, Page keys by ten rows, Home and End along the row. */
export function gridTarget(
  { row, column }: Mark,
  key: string,
  { count, columns }: { readonly count: number; readonly columns: number },
): Mark | undefined {
  const moved: Readonly<Record<string, Mark>> = {
    ArrowUp: { row: row - 1, column },
    ArrowDown: { row: row + 1, column },
    ArrowLeft: { row, column: column - 1 },
    ArrowRight: { row, column: column + 1 },
    PageUp: { row: row - PAGE, column },
    PageDown: { row: row + PAGE, column },
    Home: { row, column: 0 },
    End: { row, column: columns - 1 },
  }
  const wanted = moved[key]
  return (
    wanted && {
      row: Math.max(0, Math.min(wanted.row, count - 1)),
      column: Math.max(0, Math.min(wanted.column, columns - 1)),
    }
  )
}
