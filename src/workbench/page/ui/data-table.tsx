import { useEffect, useRef } from 'react'
import { type Table, tableElement } from '../../../views/index.ts'
import { scrollable } from './scrollable.ts'
import './data-table.css'

/** Numbers as a table. */
export function DataTable({ table, title }: { readonly table: Table; readonly title: string }) {
  const element = useRef<HTMLElement>(null)
  useEffect(() => element.current!.replaceChildren(tableElement(table, title)), [table, title])
  return <section className="data-table" aria-label={`${title}: numbers`} ref={element} {...scrollable} />
}
