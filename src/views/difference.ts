/** Two results side by side, subtracted: the picture of b - a where both pictures have the same shape and labels. */

import { visibleText } from './labels.ts'
import { lensValues } from './lens-grid.ts'
import { type Matrix, mapRows, type Rows, rowsOf, stackOf, valueAt } from './numbers.ts'
import type { PropsOf, ViewName, ViewSpec } from './registry.ts'
import { isPresent, type Value } from './scales.ts'

/**
 * The picture of b - a on the diverging scale, neutral where both agree; null where the two have nothing to subtract
 * (`whyNoDifference` says why). What is absent on either side is absent. `names` are what a and b are called in the title,
 * where their own titles do not tell them apart. Throws where a picture's own props do not fit together.
 */
export function differenceView(a: ViewSpec, b: ViewSpec, names?: readonly [a: string, b: string]): ViewSpec | null {
  const difference = subtract(a, b, names)
  return typeof difference === 'string' ? null : difference
}

/** Why two pictures have no difference, as a sentence; null where they have one. */
export function whyNoDifference(a: ViewSpec, b: ViewSpec): string | null {
  const difference = subtract(a, b)
  return typeof difference === 'string' ? difference : null
}

type Subtract<Name extends ViewName> = (a: PropsOf<Name>, b: PropsOf<Name>, title: string) => ViewSpec | string

const subtractors: { readonly [Name in ViewName]: Subtract<Name> } = {
  heatMap(a, b, title) {
    const problem =
      unlike('rows', a.rowLabels, b.rowLabels) ??
      unlike('columns', a.columnLabels, b.columnLabels) ??
      unlike('values', [a.valueLabel], [b.valueLabel])
    if (problem) return problem
    const read = ({ values, rowLabels, columnLabels }: typeof a) =>
      rowsOf('Heat map values', values, rowLabels.length, columnLabels.length)
    const { rowLabels, columnLabels, rowAxis, columnAxis, valueLabel } = b
    const values = less(read(a), read(b))
    return {
      view: 'heatMap',
      props: { title, values, rowLabels, columnLabels, rowAxis, columnAxis, valueLabel: changeOf(valueLabel) },
    }
  },
  tokenStrip(a, b, title) {
    const problem = unlike('tokens', a.tokens, b.tokens) ?? unlike('values', [a.valueLabel], [b.valueLabel])
    if (problem) return problem
    const values = a.values.map((value, index) => minus(value, b.values[index]))
    return {
      view: 'tokenStrip',
      props: { title, tokens: b.tokens, values, valueLabel: changeOf(b.valueLabel), scale: 'diverging' },
    }
  },
  attention(a, b, title) {
    const problem = unlike('queries', a.queryTokens, b.queryTokens) ?? unlike('keys', a.keyTokens, b.keyTokens)
    if (problem) return problem
    const read = ({ pattern, queryTokens, keyTokens }: typeof a) =>
      rowsOf('An attention pattern', pattern, queryTokens.length, keyTokens.length)
    const { queryTokens, keyTokens } = b
    return {
      view: 'attention',
      props: { title, pattern: less(read(a), read(b)), queryTokens, keyTokens, scale: 'diverging' },
    }
  },
  attentionHeads(a, b, title) {
    const problem = unlike('tokens', a.tokens, b.tokens)
    if (problem) return problem
    const [before, after] = [a, b].map(({ patterns, tokens }) => stackOf('The pattern', patterns, tokens.length))
    const shapes = [before!, after!].map((stack) => `${stack.length} layers of ${stack[0]?.length ?? 0} heads`)
    if (shapes[0] !== shapes[1]) return `One picture shows ${shapes[0]}, the other ${shapes[1]}.`
    const patterns = before!.map((layer, l) => layer.map((rows, h) => less(rows, after![l]![h]!)))
    return { view: 'attentionHeads', props: { title, patterns, tokens: b.tokens, scale: 'diverging' } }
  },
  attentionTokens(a, b, title) {
    const as = ({ pattern, tokens }: typeof a) => ({ title, pattern, queryTokens: tokens, keyTokens: tokens })
    return subtractors.attention(as(a), as(b), title)
  },
  lensGrid(a, b, title) {
    const problem = unlike('layers', a.layerLabels, b.layerLabels) ?? unlike('tokens', a.tokens, b.tokens)
    if (problem) return problem
    const [before, after] = [lensValues(a), lensValues(b)]
    if (before.label !== after.label)
      return `One picture is coloured by the ${before.label}, the other by the ${after.label}.`
    return {
      view: 'heatMap',
      props: {
        title,
        values: before.values.map((row, layer) => row.map((value, i) => minus(value, after.values[layer]![i]))),
        rowLabels: b.layerLabels,
        columnLabels: b.tokens,
        rowAxis: 'layer',
        columnAxis: 'position',
        valueLabel: changeOf(after.label),
      },
    }
  },
  barList(a, b, title) {
    const names = ({ bars }: typeof a) => bars.map(({ label }) => label)
    // Rankings list the same parts in another order.
    const problem =
      unlike('bars', names(a).toSorted(), names(b).toSorted()) ?? unlike('values', [a.valueLabel], [b.valueLabel])
    if (problem) return problem
    const before = new Map(a.bars.map(({ label, value }) => [label, value]))
    const bars = b.bars.map(({ label, value }) => ({ label, value: minus(before.get(label), value) }))
    return { view: 'barList', props: { title, bars, valueLabel: changeOf(b.valueLabel) } }
  },
  curves(a, b, title) {
    const names = ({ series }: typeof a) => series.map(({ name }) => name)
    const problem =
      unlike('series', names(a), names(b)) ??
      unlike('x axes', [a.xLabel], [b.xLabel]) ??
      unlike('y axes', [a.yLabel], [b.yLabel]) ??
      a.series
        .map(({ name, x }, i) => unlike(`points of ${name}`, x, b.series[i]!.x))
        .find((found) => found !== undefined)
    if (problem) return problem
    const series = b.series.map(({ name, x, y }, i) => ({
      name,
      x,
      y: y.map((value, k) => minus(a.series[i]!.y[k], value)),
    }))
    const { xLabel, xScale, yLabel } = b
    return { view: 'curves', props: { title, series, xLabel, yLabel: changeOf(yLabel), ...(xScale ? { xScale } : {}) } }
  },
  directions: () =>
    'Directions in a plane have no common axes: a difference would depend on how each plane was turned.',
  circuitGraph: () => 'Circuits are drawn, not subtracted: compare the tables of their edges.',
  checksList: () => 'Verdicts are words: they can be compared, not subtracted.',
}

function subtract(a: ViewSpec, b: ViewSpec, names?: readonly [string, string]): ViewSpec | string {
  if (a.view !== b.view) return `One picture is a ${a.view}, the other a ${b.view}.`
  // Both are the same view; TypeScript cannot follow that through the table.
  const run = subtractors[a.view] as Subtract<ViewName>
  const difference = run(a.props, b.props, titleOf(a.props.title, b.props.title, names))
  const { places } = b
  return typeof difference === 'string' || !places ? difference : ({ ...difference, places } as ViewSpec)
}

function titleOf(a: string, b: string, names: readonly [string, string] | undefined): string {
  if (names) return a === b ? `${b}: ${names[1]} less ${names[0]}` : `${b} (${names[1]}) less ${a} (${names[0]})`
  return a === b ? `${b}: second less first` : `${b} less ${a}`
}

/** How two lists of labels differ, as a sentence; undefined where they do not. */
function unlike(what: string, a: readonly (string | number)[], b: readonly (string | number)[]): string | undefined {
  if (a.length !== b.length) return `The ${what} of the two pictures are not the same: ${a.length} and ${b.length}.`
  const index = a.findIndex((entry, i) => entry !== b[i])
  if (index === -1) return undefined
  const [left, right] = [a[index]!, b[index]!].map((entry) => visibleText(String(entry)))
  return `The ${what} of the two pictures are not the same: "${left}" and "${right}".`
}

function less(a: Rows, b: Rows): Matrix {
  return mapRows(b, (value, row, column) => minus(valueAt(a, row, column), value))
}

function minus(a: Value | undefined, b: Value | undefined): Value {
  return isPresent(a) && isPresent(b) ? b - a : null
}

const changeOf = (label: string) => `change of ${label}`
