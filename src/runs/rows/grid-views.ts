import type { Nested } from '../../methods/index.ts'
import type { Bar, Place, Places, ReferenceMark, Value, ViewSpec } from '../../views/index.ts'
import { headPlaces, layerPlaces } from './places.ts'

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
  /** What the entries of a position axis stand for. */
  readonly positions?: readonly Place[]
}

/** A bar and what it stands for. */
export interface PlacedBar {
  readonly bar: Bar
  readonly place: Place
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
  const [first, second] = inner
  if (first === undefined) {
    const layerBars = bars(
      layers[1].map((layer) => `layer ${layer}`),
      layerPlaces(layers[1]),
      flat(values),
    )
    return [barList(title, layerBars, valueLabel)]
  }
  if (first[0] === 'neuron') {
    const places = layers[1].flatMap((layer) => first[1].map((neuron) => ({ layer, neuron: Number(neuron) })))
    const labels = places.map(({ layer, neuron }) => `L${layer}N${neuron}`)
    return [barList(`${title}: largest changes`, largest(bars(labels, places, flat(values))), valueLabel)]
  }
  const columns = first[0] === 'position' ? picture.positions : placesOf(first)
  const shared = { title, valueLabel, columnAxis: spokenAxis(first), ...(references ? { references } : {}) }
  if (second === undefined) {
    const rowLabels = layers[1].map((layer) => `layer ${layer}`)
    const columnLabels = first[1].map((entry) => (first[0] === 'position' ? String(entry) : `${short(first)}${entry}`))
    const props = { ...shared, values: values as Rows, rowLabels, columnLabels, rowAxis: 'layer' }
    return [{ view: 'heatMap', props, places: { rows: layerPlaces(layers[1]), ...(columns ? { columns } : {}) } }]
  }
  // [layer][position][head] as rows of heads by columns of positions
  const rows = layers[1].flatMap((layer, l) =>
    second[1].map((head, h) => ({
      label: `L${layer}${short(second)}${head}`,
      place: { layer, ...placesOf(second)[h] },
      row: first[1].map((_, p) => ((values[l] as Nested)[p] as Nested)[h] as Value),
    })),
  )
  const props = {
    ...shared,
    values: rows.map(({ row }) => row),
    rowLabels: rows.map(({ label }) => label),
    columnLabels: first[1].map(String),
    rowAxis: spokenAxis(second),
  }
  return [{ view: 'heatMap', props, places: { rows: rows.map(({ place }) => place), ...(columns ? { columns } : {}) } }]
}

type Axis = readonly [string, readonly (number | string)[]]

/** Heads of keys and values that are shared are no single heads of the model: they have no place. */
const placesOf = ([axis, entries]: Axis): Place[] =>
  axis === 'head' ? headPlaces(entries.map(Number)) : entries.map(() => ({}))
const short = ([axis]: Axis): string => (axis === 'key_value_head' ? 'KV' : 'H')
const spokenAxis = ([axis]: Axis): string => axis.replaceAll('_', ' ')

type Rows = readonly (readonly Value[])[]

/** All values without what they would be anyway. */
function less(values: Nested, unpatched: number): Nested {
  return values.map((value) => {
    if (value === null) return null
    return typeof value === 'number' ? value - unpatched : less(value, unpatched)
  }) as Nested
}

const flat = (values: Nested): Value[] => values.flat(3) as Value[]

/** Bars with their labels and places, and error bars where both ends are known. */
export function bars(
  labels: readonly string[],
  places: readonly Place[],
  values: readonly Value[],
  low?: readonly number[] | null,
  high?: readonly number[] | null,
): PlacedBar[] {
  return labels.map((label, i) => ({
    bar: { label, value: values[i]!, ...(low && high ? { low: low[i]!, high: high[i]! } : {}) },
    place: places[i]!,
  }))
}

/** The bars that are largest in size, by falling value; those without a value come last. */
export function largest(list: readonly PlacedBar[], most = MOST_BARS): PlacedBar[] {
  const size = ({ bar: { value } }: PlacedBar) => (value === null ? -1 : Math.abs(value))
  const ranked = [...list].sort((a, b) => size(b) - size(a)).slice(0, most)
  return ranked.sort((a, b) => (b.bar.value ?? 0) - (a.bar.value ?? 0))
}

/** A picture of bars in their order, with what each stands for, and what all of them are about. */
export function barList(title: string, list: readonly PlacedBar[], valueLabel: string, all?: Place): ViewSpec {
  const places: Places = { ...(all ? { all } : {}), rows: list.map(({ place }) => place) }
  return { view: 'barList', props: { title, bars: list.map(({ bar }) => bar), valueLabel }, places }
}
