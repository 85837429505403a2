import { matrixAt, type Place, type ViewSpec } from '../../../views/index.ts'

/** The selected head to be read token by token, where a picture holds the patterns of all heads; null elsewhere. */
export function largeHead(spec: ViewSpec, selection: Place | null): ViewSpec | null {
  if (spec.view !== 'attentionHeads' || selection?.layer === undefined || selection.head === undefined) return null
  const { patterns, tokens } = spec.props
  const { rows, columns, all } = spec.places ?? {}
  const { layer, head } = selection
  const row = rows ? rows.findIndex((place) => place.layer === layer) : layer
  const column = columns ? columns.findIndex((place) => place.head === head) : head
  const pattern = matrixAt(patterns, row, column)
  if (!pattern) return null
  return {
    view: 'attentionTokens',
    props: { title: `L${layer}H${head}`, pattern, tokens },
    places: {
      all: { ...all, layer, head },
      rows: tokens.map((_, position) => ({ position })),
      columns: tokens.map((_, key) => ({ key })),
    },
  }
}
