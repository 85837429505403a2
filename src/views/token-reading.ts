/** What one head's pattern says about a token: its own row and column, as weights on the other tokens. */

import { type ColorScale, colorScale, type Rgb } from './colors.ts'
import { visibleLabel } from './labels.ts'
import { type Matrix, type Rows, rowsOf, valueAt } from './numbers.ts'
import { formatNumber, isPresent, type Value } from './scales.ts'

/** Props of the view `attentionTokens`. */
export interface AttentionTokensProps {
  readonly title: string
  /** [query][key] weights of one head, each row summing to 1. */
  readonly pattern: Matrix
  /** The prompt's tokens: queries and keys alike. */
  readonly tokens: readonly string[]
  /** The token that is read from where nobody points at one; the last unless said. */
  readonly focus?: number
}

/** Weights below this are neither printed nor shaded: they would round to nothing. */
export const LEAST_SHOWN = 0.005

/** A token as seen from the one in focus. */
export interface Reading {
  readonly weight: Value
  readonly side: 'reads' | 'read by'
}

const diverging = colorScale({ kind: 'diverging', values: [], domain: [-1, 1] })

/** Weights of what a token reads, blue; of the tokens that read it, orange: the halves of the diverging scale. */
export const READING_SCALES: Readonly<Record<Reading['side'], ColorScale>> = {
  reads: half((position) => diverging.at(0.5 + position / 2)),
  'read by': half((position) => diverging.at(0.5 - position / 2)),
}

function half(at: (position: number) => Rgb): ColorScale {
  const scale = colorScale({ kind: 'sequential', values: [], domain: [0, 1] })
  return { ...scale, at, color: (value) => at(scale.position(value)) }
}

/** The pattern to read from, and whether no token reads a later one. Throws where it is not tokens by tokens. */
export function readPattern({ pattern, tokens }: AttentionTokensProps): { rows: Rows; causal: boolean } {
  const rows = rowsOf('An attention pattern', pattern, tokens.length, tokens.length)
  for (let query = 0; query < rows.count; query++) {
    for (let key = query + 1; key < rows.columns; key++) {
      if ((valueAt(rows, query, key) ?? 0) !== 0) return { rows, causal: false }
    }
  }
  return { rows, causal: true }
}

/** The token in focus where nobody points at one. */
export function defaultFocus({ focus, tokens }: AttentionTokensProps): number {
  return Math.max(0, Math.min(focus ?? tokens.length - 1, tokens.length - 1))
}

/** A token seen from `focus`: in a causal pattern earlier ones are read, later ones read it; else all are read. */
export function readingAt(rows: Rows, causal: boolean, focus: number, token: number): Reading {
  return causal && token > focus
    ? { weight: valueAt(rows, token, focus), side: 'read by' }
    : { weight: valueAt(rows, focus, token), side: 'reads' }
}

/** A weight as it is printed under a token: two digits, nothing below 0.005. */
export function shortWeight(weight: Value): string {
  return isPresent(weight) && weight >= LEAST_SHOWN ? weight.toFixed(2).replace(/^0/, '') : ''
}

/** The strongest tokens of a side, at most `most` and none below 0.005, by falling weight. */
export function strongest(
  rows: Rows,
  causal: boolean,
  focus: number,
  side: Reading['side'],
  most: number,
): { readonly token: number; readonly weight: number }[] {
  return Array.from({ length: rows.count }, (_, token) => ({ token, ...readingAt(rows, causal, focus, token) }))
    .flatMap(({ token, weight, side: own }) =>
      own === side && isPresent(weight) && weight >= LEAST_SHOWN ? [{ token, weight }] : [],
    )
    .sort((a, b) => b.weight - a.weight)
    .slice(0, most)
}

/** What a token reads and who reads it, in a sentence. */
export function readingSentence(tokens: readonly string[], rows: Rows, causal: boolean, focus: number): string {
  const listed = (side: Reading['side']) =>
    strongest(rows, causal, focus, side, 3)
      .map(({ token, weight }) => `${quoted(token)} ${formatNumber(Number(weight.toFixed(2)))}`)
      .join(', ') || 'nothing'
  const quoted = (token: number) => `“${visibleLabel(tokens[token] ?? '')}”`
  const reads = `Token ${focus} ${quoted(focus)} reads ${listed('reads')}`
  return causal && focus < tokens.length - 1 ? `${reads}; read by ${listed('read by')}.` : `${reads}.`
}
