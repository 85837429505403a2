/** The numbers behind a picture, as rows: what the CSV file and the HTML data table hold. */

import { DiopterError } from '../errors/index.ts'
import type { Value } from './scales.ts'

/** A cell of a table. */
export type TableCell = string | Value | undefined

/** Named columns and rows of equal length. Absent values are null. */
export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly TableCell[])[]
}

/**
 * RFC 4180 CSV with a header line and CRLF line ends. Numbers keep every digit; null is an empty field, NaN and
 * infinities are written by name. Throws where a row's length differs from the header's.
 */
export function toCsv(table: Table): string {
  const lines = [table.columns, ...table.rows].map((row, index) => {
    if (row.length !== table.columns.length) {
      throw new DiopterError(
        `CSV row ${index} has ${row.length} fields where the header names ${table.columns.length}: ${table.columns.join(', ')}.`,
      )
    }
    return row.map(csvField).join(',')
  })
  return lines.map((line) => `${line}\r\n`).join('')
}

function csvField(cell: TableCell): string {
  if (cell === null || cell === undefined) return ''
  if (typeof cell === 'number') return String(cell)
  // Outer spaces are part of a token; some readers trim them unless quoted. A quoted "" is the empty token, not absence.
  return cell === '' || /[",\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}
