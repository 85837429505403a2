/** A text with a number on every token, such as its loss, and optionally what the model expected in its place. */

import { colorBar } from './color-bar.ts'
import { type ColorScale, type ColorScaleKind, colorScale } from './colors.ts'
import { truncate, visibleLabel } from './labels.ts'
import type { Prediction } from './lens-grid.ts'
import { commonFormat, hoverValue, isPresent, type Value } from './scales.ts'
import { document, element, MARGIN } from './svg.ts'
import type { Table } from './table.ts'
import { gridLines, legendLines, numberCell, type TextOptions, titleLines } from './terminal.ts'
import { tokenFlow } from './token-flow.ts'
import { assertLength, defineView } from './view.ts'

/** Props of the view `tokenStrip`. */
export interface TokenStripProps {
  readonly title: string
  readonly tokens: readonly string[]
  /** One per token; null where there is none, such as the loss of the first token. */
  readonly values: readonly Value[]
  /** What the values are, with their unit: `loss (nats)`. */
  readonly valueLabel: string
  /** Per token, what the model expected in its place, most probable first; may be empty. */
  readonly top?: readonly (readonly Prediction[])[]
  /** `sequential` unless said. */
  readonly scale?: ColorScaleKind
  /** The values that the colours span; from 0 to the largest (or their own range if negative) unless said. */
  readonly domain?: readonly [number, number]
}

/** A strip of coloured tokens that wraps like text. Throws where tokens, values and predictions disagree in length. */
export const tokenStrip = defineView<TokenStripProps>({ svg, text, table, wraps: true })

function svg(props: TokenStripProps, width?: number): string {
  const scale = scaleOf(props)
  const format = commonFormat(props.values)
  const boxes = props.tokens.map((token, index) => {
    const value = props.values[index]!
    const expected = props.top?.[index]?.[0]
    return {
      token,
      below: [isPresent(value) ? format(value) : '', ...(expected ? [visibleLabel(expected.token)] : [])],
      background: isPresent(value) ? scale.color(value) : undefined,
      data: { row: 0, column: index, value, hover: hoverText(props, index) },
    }
  })
  const flow = tokenFlow(boxes, props.top ? 2 : 1, width === undefined ? undefined : width - 2 * MARGIN)
  const name = props.top ? `${props.valueLabel}; below it, the model's top prediction` : props.valueLabel
  const bar = colorBar(scale, name)
  return document({
    title: props.title,
    width: Math.max(bar.width, flow.width),
    height: flow.height + 12 + bar.height,
    body: [flow.markup, element('g', { transform: `translate(0 ${flow.height + 12})` }, bar.markup)],
  })
}

function hoverText(props: TokenStripProps, index: number): string[] {
  const expected = props.top?.[index] ?? []
  return [
    `token ${index}: ${visibleLabel(props.tokens[index]!)}`,
    `${props.valueLabel}: ${hoverValue(props.values[index])}`,
    ...expected.map(
      ({ token, probability }, place) => `${place + 1}. ${visibleLabel(token)}  ${hoverValue(probability)}`,
    ),
  ]
}

function text(props: TokenStripProps, options: TextOptions): string[] {
  const { unicode } = options
  const scale = scaleOf(props)
  const format = commonFormat(props.values)
  const values = props.values.map((value) => numberCell(value, format, scale, options))
  const expected = props.top?.map((predictions) => ({
    text: predictions[0] ? truncate(visibleLabel(predictions[0].token, unicode), 10, unicode) : '',
  }))
  return [
    ...titleLines(props.title, options),
    ...gridLines(
      {
        rowLabels: expected ? ['value', 'expected'] : ['value'],
        columnLabels: props.tokens,
        rows: expected ? [values, expected] : [values],
        align: 'right',
        labelLimit: 12,
      },
      options,
    ),
    ...legendLines(scale, props.valueLabel, [], options),
  ]
}

function table(props: TokenStripProps): Table {
  checked(props)
  const expected = props.top ? ['expected token', 'expected probability'] : []
  return {
    columns: ['index', 'token', props.valueLabel, ...expected],
    rows: props.tokens.map((token, index) => {
      const best = props.top?.[index]?.[0]
      const cells = props.top ? [best?.token ?? null, best?.probability ?? null] : []
      return [index, token, props.values[index]!, ...cells]
    }),
  }
}

function scaleOf(props: TokenStripProps): ColorScale {
  checked(props)
  return colorScale({ kind: props.scale ?? 'sequential', values: [0, ...props.values], domain: props.domain })
}

function checked(props: TokenStripProps): void {
  assertLength('Token strip values', props.values, props.tokens.length)
  if (props.top) assertLength('Token strip predictions', props.top, props.tokens.length)
}
