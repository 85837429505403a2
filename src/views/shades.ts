/** Many coloured cells as few shapes: one path per colour, its runs of equal cells drawn as strokes. */

import { type ColorScale, hex } from './colors.ts'
import { type Rows, valueAt } from './numbers.ts'
import { isPresent } from './scales.ts'
import { element, type Markup } from './svg.ts'

/** The cells of a matrix in `shades` + 1 colours, absent ones left out; each is `cellWidth` by `cellHeight` pixels. */
export function shadedCells(
  values: Rows,
  scale: ColorScale,
  cellWidth: number,
  cellHeight: number,
  shades: number,
): Markup {
  const paths: string[] = Array.from({ length: shades + 1 }, () => '')
  for (let row = 0; row < values.count; row++) {
    let from = 0
    let shade = shadeAt(values, scale, row, 0, shades)
    for (let column = 1; column <= values.columns; column++) {
      const next = column < values.columns ? shadeAt(values, scale, row, column, shades) : undefined
      if (next === shade && column < values.columns) continue
      // Cells are the units of the path, so that its numbers are short.
      if (shade !== undefined) paths[shade] += `M${from} ${row}h${column - from}`
      from = column
      shade = next
    }
  }
  return element(
    'g',
    {
      transform: `scale(${precise(cellWidth)} ${precise(cellHeight)}) translate(0 .5)`,
      'shape-rendering': 'crispEdges',
      'pointer-events': 'none',
    },
    ...paths.flatMap((d, shade) => (d === '' ? [] : [element('path', { d, stroke: hex(scale.at(shade / shades)) })])),
  )
}

function shadeAt(values: Rows, scale: ColorScale, row: number, column: number, shades: number): number | undefined {
  const value = valueAt(values, row, column)
  return isPresent(value) ? Math.round(scale.position(value) * shades) : undefined
}

/** Hundredths would add up to pixels over hundreds of cells. */
const precise = (factor: number) => Number(factor.toFixed(5))
