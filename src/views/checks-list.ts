/** The verdict beside every number: what a method assumed, what was measured, and whether it holds. */

import { verdictColors } from './colors.ts'
import { visibleText, wrap } from './labels.ts'
import { formatNumber, type Value } from './scales.ts'
import { document, element, FONT_SIZE, LINE, label, type Markup, mark, themed } from './svg.ts'
import type { Table } from './table.ts'
import { columnsOf, inColor, type TextOptions, titleLines } from './terminal.ts'
import { defineView } from './view.ts'

export type Verdict = 'holds' | 'fails' | 'not tested'

/** One check of a result's assumptions. */
export interface CheckRow {
  readonly name: string
  readonly verdict: Verdict
  /** What should be so: `lens at the last layer = model, KL < 1e-4 nats`. */
  readonly claimed: string
  /** What was found, as a sentence or a number; null where it was not tested. */
  readonly measured: string | Value
  /** Why it matters, or why it was not tested. */
  readonly why: string
}

/** Props of the view `checksList`. */
export interface ChecksListProps {
  readonly title: string
  readonly checks: readonly CheckRow[]
}

const SIGNS: Readonly<
  Record<
    Verdict,
    {
      readonly unicode: string
      readonly ascii: string
      readonly name: string
      readonly color: (typeof verdictColors)[keyof typeof verdictColors]
    }
  >
> = {
  holds: { unicode: '✓', ascii: '[ok]', name: 'holds', color: verdictColors.holds },
  fails: { unicode: '✗', ascii: '[FAILS]', name: 'fails', color: verdictColors.fails },
  'not tested': { unicode: '–', ascii: '[?]', name: 'untested', color: verdictColors.untested },
}
/** Text columns of the picture, and of `measured` with a space. */
const COLUMNS = 96
const NAME_COLUMNS = 9
const COLUMN_WIDTH = FONT_SIZE * 0.605

/** A list of checks; each verdict is a sign, a word and a colour. */
export const checksList = defineView<ChecksListProps>({ svg, text, table })

function svg(props: ChecksListProps): string {
  const left = 20
  let y = 0
  const body: Markup[] = []
  for (const [row, check] of props.checks.entries()) {
    const sign = SIGNS[check.verdict]
    const details = detailLines(check, COLUMNS, true)
    const height = (details.length + 1) * LINE + 6
    const paint = themed('fill', sign.name, sign.color.onLight, sign.color.onDark)
    body.push(
      label(2, y + 12, sign.unicode, { 'font-size': 14, 'font-weight': 'bold', ...paint }),
      label(left, y + 12, visibleText(check.name), { 'font-weight': 'bold' }),
      label(left + COLUMNS * COLUMN_WIDTH, y + 12, check.verdict, {
        'text-anchor': 'end',
        'font-weight': 'bold',
        ...paint,
      }),
      ...details.flatMap(([name, line], index) => [
        label(left, y + 12 + (index + 1) * LINE, name, { 'fill-opacity': 0.65 }),
        label(left + NAME_COLUMNS * COLUMN_WIDTH, y + 12 + (index + 1) * LINE, line),
      ]),
      mark(
        'rect',
        { x: 0, y, width: left + COLUMNS * COLUMN_WIDTH, height, fill: 'none' },
        {
          row,
          column: 0,
          value: typeof check.measured === 'number' ? check.measured : null,
          hover: [`${check.name}: ${check.verdict}`, `measured ${measuredText(check)}`],
        },
      ),
    )
    y += height + 4
  }
  return document({ title: props.title, width: left + COLUMNS * COLUMN_WIDTH, height: y, body })
}

/** Claimed, measured and why, wrapped: each line with the name it stands under, empty where it continues. */
function detailLines(check: CheckRow, columns: number, unicode: boolean): [name: string, line: string][] {
  const parts = [
    ['claimed', check.claimed],
    ['measured', measuredText(check)],
    ['why', check.why],
  ] as const
  return parts.flatMap(([name, sentence]) =>
    wrap(visibleText(sentence, unicode), columns - NAME_COLUMNS).map((line, index): [string, string] => [
      index === 0 ? name : '',
      line,
    ]),
  )
}

function measuredText({ measured, verdict }: CheckRow): string {
  if (measured === null) return verdict === 'not tested' ? 'not tested' : 'no number'
  return typeof measured === 'number' ? formatNumber(measured) : measured
}

function text(props: ChecksListProps, options: TextOptions): string[] {
  const width = columnsOf(options)
  const lines = props.checks.flatMap((check) => {
    const sign = SIGNS[check.verdict]
    const head = `${options.unicode ? sign.unicode : sign.ascii} ${visibleText(check.name, options.unicode)}: ${check.verdict}`
    return [
      ...wrap(head, width).map((line) => inColor(line, sign.color.onTerminal, options)),
      ...detailLines(check, width - 2, options.unicode).map(([name, line]) =>
        `  ${name.padEnd(NAME_COLUMNS)}${line}`.trimEnd(),
      ),
    ]
  })
  return [...titleLines(props.title, options), ...lines]
}

/** The checks as an HTML table body's rows, for reports: text that can be read, searched and copied. */
export function checksHtml(props: ChecksListProps): Markup {
  const rows = props.checks.map((check) => {
    const sign = SIGNS[check.verdict]
    const cells = [check.claimed, measuredText(check), check.why].map((cell) => element('td', {}, cell))
    return element(
      'tr',
      {},
      element('td', { class: `verdict ${sign.name}` }, `${sign.unicode} ${check.verdict}`),
      element('th', { scope: 'row' }, check.name),
      ...cells,
    )
  })
  const heads = ['verdict', 'check', 'claimed', 'measured', 'why'].map((head) => element('th', { scope: 'col' }, head))
  return element(
    'table',
    { 'aria-label': props.title },
    element('thead', {}, element('tr', {}, ...heads)),
    element('tbody', {}, ...rows),
  )
}

function table(props: ChecksListProps): Table {
  return {
    columns: ['check', 'verdict', 'claimed', 'measured', 'why'],
    rows: props.checks.map(({ name, verdict, claimed, measured, why }) => [name, verdict, claimed, measured, why]),
  }
}
