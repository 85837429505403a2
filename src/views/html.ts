/** A report as one HTML file: pictures, the tables behind them, text. Nothing is loaded from anywhere. */

import { checksHtml } from './checks-list.ts'
import { hex, signColors, verdictColors } from './colors.ts'
import { visibleLabel } from './labels.ts'
import { renderSvg, type ViewSpec, viewTable } from './registry.ts'
import { exactValue } from './scales.ts'
import { element, fragment, type Markup } from './svg.ts'
import type { Table } from './table.ts'

/** A part of a report: a picture with its data, a table, or a headed text whose blank lines part its paragraphs. */
export type ReportBlock =
  | (ViewSpec & { readonly note?: string })
  | { readonly table: Table; readonly title: string }
  | { readonly heading: string; readonly text?: string }

/** An HTML report: a title and its blocks in order. */
export interface Report {
  readonly title: string
  readonly blocks: readonly ReportBlock[]
}

const STYLE = `
:root { color-scheme: light dark; --diopter-positive: ${hex(signColors.positive)}; --diopter-negative: ${hex(signColors.negative)}; --diopter-holds: ${hex(verdictColors.holds.onLight)}; --diopter-fails: ${hex(verdictColors.fails.onLight)}; --diopter-untested: ${hex(verdictColors.untested.onLight)}; --line: #d5d5d0; --shade: #f3f3f0; --ink: #1b1b1b; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --diopter-holds: ${hex(verdictColors.holds.onDark)}; --diopter-fails: ${hex(verdictColors.fails.onDark)}; --diopter-untested: ${hex(verdictColors.untested.onDark)}; --line: #3d3f43; --shade: #24262a; --ink: #e8e8e6; --paper: #17181b; } }
body { max-width: 76rem; margin: 0 auto; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
figure { margin: 1.5rem 0; } .picture { overflow-x: auto; }
figcaption { max-width: 60rem; }
table { border-collapse: collapse; font-size: 13px; }
.data { max-height: 26rem; overflow: auto; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
thead th { background: var(--shade); position: sticky; top: 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td, tbody th { overflow-wrap: anywhere; }
.data td { font-family: ui-monospace, monospace; white-space: pre; }
.verdict { font-weight: bold; white-space: nowrap; }
.holds { color: var(--diopter-holds); } .fails { color: var(--diopter-fails); } .untested { color: var(--diopter-untested); }
summary { cursor: pointer; }
`

/**
 * A self-contained HTML page, readable in light and dark, without scripts or outside resources. Every picture is
 * followed by its numbers. Throws where a view's props do not fit together.
 */
export function htmlReport({ title, blocks }: Report): string {
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    // Even markup that slipped through could load or run nothing.
    element('meta', {
      'http-equiv': 'Content-Security-Policy',
      content: "default-src 'none'; style-src 'unsafe-inline'",
    }),
    element('title', {}, title),
    { markup: `<style>${STYLE}</style>` },
  )
  const body = element('body', {}, element('main', {}, element('h1', {}, title), ...blocks.map(drawnBlock)))
  return `<!doctype html>\n${element('html', { lang: 'en' }, head, body).markup}\n`
}

function drawnBlock(block: ReportBlock): Markup {
  if ('view' in block) return drawnView(block)
  if ('table' in block) return fragment([element('h2', {}, block.title), dataTable(block.table, block.title)])
  const paragraphs = (block.text ?? '').split(/\n{2,}/).filter((paragraph) => paragraph !== '')
  return fragment([
    element('h2', {}, block.heading),
    ...paragraphs.map((paragraph) => element('p', {}, paragraph.replaceAll('\n', ' '))),
  ])
}

function drawnView(block: ViewSpec & { readonly note?: string }): Markup {
  const note = block.note ? [element('p', {}, block.note)] : []
  // Checks are words already: a table reads better than a picture of one.
  if (block.view === 'checksList')
    return fragment([element('h2', {}, block.props.title), ...note, checksHtml(block.props)])
  const table = viewTable(block.view, block.props)
  const { title } = block.props
  return element(
    'figure',
    { 'aria-label': title },
    element('div', { class: 'picture' }, { markup: renderSvg(block.view, block.props) }),
    element(
      'figcaption',
      {},
      ...note,
      element(
        'details',
        {},
        element('summary', {}, `The numbers (${table.rows.length} rows)`),
        dataTable(table, title),
      ),
    ),
  )
}

function dataTable(table: Table, title: string): Markup {
  const head = table.columns.map((column) => element('th', { scope: 'col' }, column))
  const rows = table.rows.map((row) => {
    const cells = row.map((cell) =>
      typeof cell === 'string'
        ? element('td', {}, visibleLabel(cell))
        : element('td', { class: 'number' }, exactValue(cell)),
    )
    return element('tr', {}, ...cells)
  })
  return element(
    'div',
    { class: 'data' },
    element(
      'table',
      { 'aria-label': title },
      element('thead', {}, element('tr', {}, ...head)),
      element('tbody', {}, ...rows),
    ),
  )
}
