import { visibleLabel } from './labels.ts'
import { exactValue } from './scales.ts'
import type { Table } from './table.ts'

/** More rows than this take a page seconds to lay out. */
const MOST_ROWS = 2000

/**
 * A table's numbers as an HTML table with a caption and column headers; rows beyond the first 2000 are counted in its last
 * line. Strings are shown with what the eye would miss, as in pictures.
 */
export function tableElement(table: Table, caption: string, page: Document = document): HTMLTableElement {
  const element = page.createElement('table')
  element.createCaption().textContent = caption
  const head = element.createTHead().insertRow()
  for (const column of table.columns) {
    const cell = page.createElement('th')
    cell.scope = 'col'
    cell.textContent = column
    head.append(cell)
  }
  const body = element.createTBody()
  for (const row of table.rows.slice(0, MOST_ROWS)) {
    const line = body.insertRow()
    for (const entry of row) {
      const cell = line.insertCell()
      const isText = typeof entry === 'string'
      cell.textContent = isText ? visibleLabel(entry) : exactValue(entry)
      if (!isText) cell.className = 'number'
    }
  }
  const more = table.rows.length - MOST_ROWS
  if (more > 0) {
    const cell = element.createTFoot().insertRow().insertCell()
    cell.colSpan = table.columns.length
    cell.textContent = `${more} more rows are not shown: the CSV file has all ${table.rows.length}.`
  }
  return element
}
