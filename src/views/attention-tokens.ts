/** One head read token by token: what a token reads from, and which later tokens read from it. */

import { attention } from './attention.ts'
import { colorBar } from './color-bar.ts'
import { pad, truncate, visibleLabel } from './labels.ts'
import { mountAttentionTokens } from './live/attention-tokens.ts'
import { hoverValue, isPresent } from './scales.ts'
import { document, element, fitText, LINE, label, MARGIN } from './svg.ts'
import type { Table } from './table.ts'
import { columnsOf, noteLines, onBackground, type TextOptions, titleLines } from './terminal.ts'
import { tokenFlow } from './token-flow.ts'
import {
  type AttentionTokensProps,
  defaultFocus,
  READING_SCALES,
  type Reading,
  readingAt,
  readingSentence,
  readPattern,
  shortWeight,
  strongest,
} from './token-reading.ts'
import type { View } from './view.ts'

/** Tokens listed of each side in a terminal. */
const LISTED = 8

/**
 * The prompt as text, shaded by what one token reads (blue) and who reads it (orange). Live, the token that is pointed at
 * is in focus, a click locks it, Escape unlocks, and the head's whole pattern lies beside the text. Throws where the
 * pattern is not tokens by tokens.
 */
export const attentionTokens: View<AttentionTokensProps> = { svg, text, table, mount: mountAttentionTokens }

function svg(props: AttentionTokensProps, width?: number): string {
  const { rows, causal } = readPattern(props)
  const focus = defaultFocus(props)
  const boxes = props.tokens.map((token, index) => {
    const { weight, side } = readingAt(rows, causal, focus, index)
    return {
      token,
      below: [shortWeight(weight)],
      background: isPresent(weight) ? READING_SCALES[side].color(weight) : undefined,
      framed: index === focus,
      data: { row: index, column: index, value: weight, hover: hoverText(props, focus, index, { weight, side }) },
    }
  })
  const flow = tokenFlow(boxes, 1, width === undefined ? undefined : width - 2 * MARGIN)
  const sides = causal ? (['reads', 'read by'] as const) : (['reads'] as const)
  const bars = sides.map((side) => colorBar(READING_SCALES[side], sideLabel(side)))
  const barHeight = bars[0]!.height + 6
  const top = flow.height + LINE + 14
  const widest = Math.max(flow.width, ...bars.map((bar) => bar.width), 420)
  const sentence = fitText(readingSentence(props.tokens, rows, causal, focus), widest)
  return document({
    title: props.title,
    width: widest,
    height: top + bars.length * barHeight,
    body: [
      flow.markup,
      label(0, flow.height + LINE + 2, sentence),
      ...bars.map((bar, index) => element('g', { transform: `translate(0 ${top + index * barHeight})` }, bar.markup)),
    ],
  })
}

function sideLabel(side: Reading['side']): string {
  return side === 'reads' ? 'weight of what the token reads' : 'weight with which a later token reads it'
}

function hoverText(
  { tokens }: AttentionTokensProps,
  focus: number,
  token: number,
  { weight, side }: Reading,
): string[] {
  const [from, to] = side === 'reads' ? [focus, token] : [token, focus]
  return [
    `token ${token}: ${visibleLabel(tokens[token]!)}`,
    `from query ${from} to key ${to}, attention weight: ${hoverValue(weight)}`,
  ]
}

function text(props: AttentionTokensProps, options: TextOptions): string[] {
  const { rows, causal } = readPattern(props)
  const focus = defaultFocus(props)
  const { unicode } = options
  const width = columnsOf(options)
  const listed = (side: Reading['side'], heading: string) => {
    const found = strongest(rows, causal, focus, side, LISTED)
    const lines = found.map(({ token, weight }) => {
      const number = onBackground(` ${weight.toFixed(2)} `, READING_SCALES[side].color(weight), options)
      const name = `${pad(String(token), 4, 'right')} ${visibleLabel(props.tokens[token]!, unicode)}`
      return `${number}${truncate(name, width - 6, unicode)}`
    })
    return [...noteLines(heading, options), ...(lines.length > 0 ? lines : ['  -'])]
  }
  if (props.tokens.length === 0) return titleLines(props.title, options)
  return [
    ...titleLines(props.title, options),
    ...noteLines(`token ${focus}: ${visibleLabel(props.tokens[focus]!, unicode)}`, options),
    ...listed('reads', 'reads, by attention weight:'),
    ...(causal ? listed('read by', 'is read by:') : []),
  ]
}

function table(props: AttentionTokensProps): Table {
  const { title, pattern, tokens } = props
  return attention.table({ title, pattern, queryTokens: tokens, keyTokens: tokens })
}
