import type { TextOptions } from '../views/index.ts'
import { displayWidth } from '../views/labels.ts'
import { bold } from './terminal.ts'

/**
 * Rows under a heading row as aligned columns. Where they are wider than the terminal, every row becomes a block: its
 * first cell, then the others below it with their headings.
 */
export function alignColumns([heading, ...rows]: readonly (readonly string[])[], text: TextOptions): string[] {
  const all = [heading!, ...rows]
  const widths = heading!.map((_, column) => Math.max(...all.map((row) => displayWidth(row[column]!))))
  const total = widths.reduce((sum, width) => sum + width + 2, -2)
  if (total <= text.width) {
    return all.map((row, r) => {
      const line = row
        .map((cell, column) => cell + ' '.repeat(widths[column]! - displayWidth(cell)))
        .join('  ')
        .trimEnd()
      return r === 0 ? bold(line, text) : line
    })
  }
  return rows.flatMap((row) => [
    bold(row[0]!, text),
    ...row.slice(1).map((cell, i) => `  ${heading![i + 1]}: ${cell}`.trimEnd()),
  ])
}
