import type { Nested } from '../../methods/index.ts'
import type { Place, Value, ViewSpec } from '../../views/index.ts'
import type { LabelledSpec } from '../method.ts'
import type { PairJson } from '../prompt-schema.ts'
import type { RunSpec } from '../schema.ts'
import { barList, largest } from './grid-views.ts'
import { patchedPlaces, placeOfLabel, type TokenPair } from './places.ts'
import { predictionSpec } from './runs-at.ts'

/** Values of edges, [sender][receiver]. */
export interface EdgePicture {
  readonly title: string
  readonly senders: readonly string[]
  readonly receivers: readonly string[]
  readonly values: Nested
  readonly valueLabel: string
  readonly low?: Nested | null
  readonly high?: Nested | null
  readonly direction: 'clean_into_corrupted' | 'corrupted_into_clean'
  readonly pair: TokenPair
}

/** The largest edges as bars, and all of them as senders by receivers. Marks stand for their sender. */
export function edgeViews(picture: EdgePicture): ViewSpec[] {
  const { title, senders, receivers, values, valueLabel, low, high } = picture
  const rows = values as readonly (readonly Value[])[]
  const places = senders.map((sender) => placeOfSender(sender, picture))
  const ends = (from: Nested | null | undefined, s: number, r: number) =>
    (from?.[s] as readonly Value[] | undefined)?.[r]
  const edges = senders.flatMap((sender, s) =>
    receivers.flatMap((receiver, r) => {
      const value = rows[s]![r]!
      const [least, most] = [ends(low, s, r), ends(high, s, r)]
      const interval = least == null || most == null ? {} : { low: least, high: most }
      // What cannot be an edge is none with an unknown value.
      return value === null
        ? []
        : [{ bar: { label: `${sender} -> ${receiver}`, value, ...interval }, place: places[s]! }]
    }),
  )
  const bars = barList(`${title}: largest edges`, largest(edges), valueLabel)
  if (receivers.length === 1) return [bars]
  const map: ViewSpec = {
    view: 'heatMap',
    props: {
      title: `${title}: senders by receivers`,
      values: rows,
      rowLabels: senders,
      columnLabels: receivers,
      rowAxis: 'sender',
      columnAxis: 'receiver',
      valueLabel,
    },
    places: { rows: places, columns: receivers.map(() => ({})) },
  }
  return [bars, map]
}

/** What a sender's name stands for: `L3H2`, `L3MLP`, by position `L3H2@5`. */
function placeOfSender(sender: string, { direction, pair }: EdgePicture): Place {
  const [part, position] = sender.split('@') as [string, string?]
  const [, layer] = /^L(\d+)MLP$/.exec(part) ?? []
  const own = layer === undefined ? placeOfLabel(part) : { layer: Number(layer) }
  return position === undefined ? own : { ...own, ...patchedPlaces(pair, direction, [Number(position)])[0] }
}

/** The clean and the corrupted run behind an edge of a pair. */
export function edgeRunsAt(spec: RunSpec, { prompt = 0, layer }: Place): LabelledSpec[] {
  const asked = spec.prompts[prompt] as PairJson | undefined
  if (asked === undefined || layer === undefined) return []
  return [predictionSpec(spec, 'clean', asked.clean), predictionSpec(spec, 'corrupted', asked.corrupt)]
}
