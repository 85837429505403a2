import type { Nested } from '../../methods/index.ts'
import type { Bar, ReferenceMark, Value, ViewSpec } from '../../views/index.ts'

/** Values of a sweep over layers and something else. */
export interface SweepPicture {
  readonly title: string
  /** The axes of `values` in order; `layer` is the first. */
  readonly axes: Readonly<Record<string, readonly (number | string)[]>>
  readonly values: Nested
  readonly valueLabel: string
  /** The value without any intervention: what a cell's distance from says how much it matters. */
  readonly unpatched: number
  readonly references?: readonly ReferenceMark[]
}

/** More rows than this are ranked instead of drawn one by one. */
const MOST_BARS = 25

/**
 * A sweep's picture: bars for one axis, a heat map for two; heads by position as one row per head; neurons as the
 * largest changes from the unpatched run.
 */
export function sweepViews(picture: SweepPicture): ViewSpec[] {
  const { title, axes, unpatched } = picture
  // Pictures show the change, so that what does nothing is neutral; the result itself keeps the raw metric.
  const values = less(picture.values, unpatched)
  const valueLabel =
    unpatched === 0 ? picture.valueLabel : `${picture.valueLabel}, less ${unpatched.toFixed(3)} unpatched`
  const references = picture.references?.map((mark) => ({ ...mark, value: mark.value - unpatched }))
  const [layers, ...inner] = Object.entries(axes) as [
    [string, readonly number[]],
    ...[string, readonly (number | string)[]][],
  ]
  const layerLabels = layers[1].map((layer) => `layer ${layer}`)
  const [first, second] = inner
  if (first === undefined)
    return [{ view: 'barList', props: { title, bars: bars(layerLabels, flat(values)), valueLabel } }]
  if (first[0] === 'neuron') {
    const labels = layers[1].flatMap((layer) => first[1].map((neuron) => `L${layer}N${neuron}`))
    const props = { title: `${title}: largest changes`, bars: largest(bars(labels, flat(values))), valueLabel }
    return [{ view: 'barList', props }]
  }
  if (second === undefined) {
    const columnLabels = first[1].map((entry) => (first[0] === 'head' ? `H${entry}` : String(entry)))
    return [heatMap(title, layerLabels, columnLabels, 'layer', first[0], values, valueLabel, references)]
  }
  // [layer][position][head] as rows of heads by columns of positions
  const rows = layers[1].flatMap((layer, l) =>
    second[1].map((head, h) => ({
      label: `L${layer}H${head}`,
      row: first[1].map((_, p) => ((values[l] as Nested)[p] as Nested)[h] as Value),
    })),
  )
  return [
    heatMap(
      title,
      rows.map(({ label }) => label),
      first[1].map(String),
      'head',
      first[0],
      rows.map(({ row }) => row),
      valueLabel,
      references,
    ),
  ]
}

function heatMap(
  title: string,
  rowLabels: readonly string[],
  columnLabels: readonly string[],
  rowAxis: string,
  columnAxis: string,
  values: Nested,
  valueLabel: string,
  references: readonly ReferenceMark[] | undefined,
): ViewSpec {
  const rows = values as readonly (readonly Value[])[]
  return {
    view: 'heatMap',
    props: {
      title,
      values: rows,
      rowLabels,
      columnLabels,
      rowAxis,
      columnAxis,
      valueLabel,
      ...(references ? { references } : {}),
    },
  }
}

/** All values without what they would be anyway. */
function less(values: Nested, unpatched: number): Nested {
  return values.map((value) => {
    if (value === null) return null
    return typeof value === 'number' ? value - unpatched : less(value, unpatched)
  }) as Nested
}

const flat = (values: Nested): Value[] => values.flat(3) as Value[]

/** Bars with their labels, and error bars where both ends are known. */
export function bars(
  labels: readonly string[],
  values: readonly Value[],
  low?: readonly number[] | null,
  high?: readonly number[] | null,
): Bar[] {
  return labels.map((label, i) => ({
    label,
    value: values[i]!,
    ...(low && high ? { low: low[i]!, high: high[i]! } : {}),
  }))
}

/** The bars that are largest in size, by falling value; those without a value come last. */
export function largest(list: readonly Bar[], most = MOST_BARS): Bar[] {
  const size = ({ value }: Bar) => (value === null ? -1 : Math.abs(value))
  const ranked = [...list].sort((a, b) => size(b) - size(a)).slice(0, most)
  return ranked.sort((a, b) => (b.value ?? 0) - (a.value ?? 0))
}
