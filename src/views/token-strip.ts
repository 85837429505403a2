/** A text with a number on every token, such as its loss, and optionally what the model expected in its place. */

import { type ColorScale, type ColorScaleKind, colorScale, hex, readableOn } from './colors.ts'
import { colorBar } from './grid.ts'
import { truncate, visibleLabel } from './labels.ts'
import type { Prediction } from './lens-grid.ts'
import { commonFormat, exactValue, isPresent, type Value } from './scales.ts'
import { document, element, fitText, label, type Markup, mark, textWidth } from './svg.ts'
import type { Table } from './table.ts'
import { gridLines, legendLines, numberCell, type TextOptions, titleLines } from './terminal.ts'
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

const STRIP_WIDTH = 860
const WIDEST_BOX = 150
const SMALL = 9

/** A strip of coloured tokens that wraps like text. Throws where tokens, values and predictions disagree in length. */
export const tokenStrip = defineView<TokenStripProps>({ svg, text, table })

function svg(props: TokenStripProps): string {
  const scale = scaleOf(props)
  const format = commonFormat(props.values)
  const boxHeight = props.top ? 46 : 33
  let x = 0
  let y = 0
  const boxes: Markup[] = []
  for (const [index, token] of props.tokens.entries()) {
    const value = props.values[index]!
    const lines = [visibleLabel(token), isPresent(value) ? format(value) : '']
    const expected = props.top?.[index]?.[0]
    if (expected) lines.push(visibleLabel(expected.token))
    const width = Math.min(
      WIDEST_BOX,
      Math.max(24, textWidth(lines[0]!), ...lines.slice(1).map((line) => textWidth(line, SMALL))) + 8,
    )
    if (x > 0 && x + width > STRIP_WIDTH) {
      x = 0
      y += boxHeight + 5
    }
    const background = isPresent(value) ? scale.color(value) : undefined
    boxes.push(
      box(
        lines,
        { x, y, width, height: boxHeight },
        background && hex(background),
        background && hex(readableOn(background)),
        {
          row: 0,
          column: index,
          value,
          hover: hoverText(props, index),
        },
      ),
    )
    x += width + 2
    // The text's own line breaks are kept.
    if (token.includes('\n')) x = STRIP_WIDTH
  }
  const bar = colorBar(
    scale,
    props.top ? `${props.valueLabel}; below it, the model's top prediction` : props.valueLabel,
  )
  const bottom = y + boxHeight + 12
  return document({
    title: props.title,
    width: Math.max(bar.width, y > 0 ? STRIP_WIDTH : x),
    height: bottom + bar.height,
    body: [...boxes, element('g', { transform: `translate(0 ${bottom})` }, bar.markup)],
  })
}

function box(
  lines: readonly string[],
  place: { x: number; y: number; width: number; height: number },
  background: string | undefined,
  ink: string | undefined,
  data: Parameters<typeof mark>[2],
): Markup {
  const { x, y, width, height } = place
  const middle = { 'text-anchor': 'middle', 'pointer-events': 'none', ...(ink ? { fill: ink } : {}) }
  const [token = '', ...small] = lines
  return element(
    'g',
    {},
    mark(
      'rect',
      { x, y, width, height, rx: 3, fill: background ?? 'none', stroke: 'currentColor', 'stroke-opacity': 0.25 },
      data,
    ),
    label(x + width / 2, y + 14, fitText(token, width - 4), middle),
    ...small.map((line, index) =>
      label(x + width / 2, y + 27 + index * 13, fitText(line, width - 4, SMALL), { ...middle, 'font-size': SMALL }),
    ),
  )
}

function hoverText(props: TokenStripProps, index: number): string[] {
  const expected = props.top?.[index] ?? []
  return [
    `token ${index}: ${visibleLabel(props.tokens[index]!)}`,
    `${props.valueLabel}: ${exactValue(props.values[index])}`,
    ...expected.map(
      ({ token, probability }, place) => `${place + 1}. ${visibleLabel(token)}  ${exactValue(probability)}`,
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
