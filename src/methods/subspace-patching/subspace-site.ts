import { DiopterError } from '../../errors/index.ts'
import type { Activation, ArrayValue, Edit, Model } from '../../lab/index.ts'
import { ofPrompt } from '../../lab/index.ts'
import { type Cell, cellGrid, PATCHABLE, type PatchWhat } from '../patching/patch-grid.ts'
import { patchEdit, patchedPositions, type Route, sourceValues } from '../patching/prompt-pair.ts'
import { indicesWithin } from '../shared/selection.ts'

/** Activations that have subspaces: the residual stream, what layers write, heads' `z`, and MLP neurons. */
export const SUBSPACE_WHATS = ['resid_pre', 'resid_mid', 'resid_post', 'attn_out', 'mlp_out', 'z', 'neurons'] as const
/** One of `SUBSPACE_WHATS`. */
export type SubspaceWhat = Extract<PatchWhat, (typeof SUBSPACE_WHATS)[number]>

/** Which activations are patched, and where; all layers, heads and positions unless said. */
export interface SiteOptions {
  readonly what: SubspaceWhat
  readonly layers?: readonly number[] | undefined
  /** Heads, for `z`. */
  readonly heads?: readonly number[] | undefined
  /** The positions that are patched together; negative ones count from the end. */
  readonly positions?: readonly number[] | undefined
}

/** An activation whose subspace is patched. */
export interface Site {
  /** `L1MLP neurons`, `L0H3 z`, `resid_post 2`. */
  readonly label: string
  readonly what: SubspaceWhat
  readonly layer: number
  readonly head: number | null
  readonly hook: string
  /** The number of features. */
  readonly size: number
}

/** The sites, layer by layer. Throws where the model has no such activation, layer or head. */
export function sitesOf(model: Model, options: SiteOptions): Site[] {
  const { what } = options
  const { config } = model
  const isHead = what === 'z'
  if (!isHead && options.heads)
    throw new DiopterError(`Some heads were named, but '${what}' has none; leave them out, or patch 'z'.`)
  const grid = cellGrid(config, config.n_ctx, {
    what,
    by: isHead ? 'head' : 'layer',
    layers: options.layers,
    heads: options.heads,
  })
  const size = isHead ? config.d_head : what === 'neurons' ? config.d_mlp : config.d_model
  return grid.layers.flatMap((layer): Site[] => {
    const own = { what, layer, hook: `blocks.${layer}.${PATCHABLE[what]}`, size }
    if (isHead) return grid.heads.map((head) => ({ ...own, head, label: `L${layer}H${head} z` }))
    return [{ ...own, head: null, label: what === 'neurons' ? `L${layer}MLP neurons` : `${what} ${layer}` }]
  })
}

/** A pair's activations of one site, with the places where they are exchanged. */
export interface SiteDifference {
  /** The target's activation, [P, d] or [P, H, dh]. */
  readonly target: ArrayValue
  /** Where the patched positions' features begin in it. */
  readonly offsets: readonly number[]
  /** Source less target at each of these, [d] each. */
  readonly differences: readonly Float64Array[]
  /** The edit that puts the target with these changes [d] in place. */
  edit(changes: readonly Float64Array[]): Edit
}

/** What differs between the source's activation and the target's at the site's positions. Throws where no position corresponds. */
export function siteDifference(
  site: Site,
  route: Route,
  positions: readonly number[] | undefined,
  source: Activation,
  target: Activation,
): SiteDifference {
  const from = sourceValues(source, route)
  const into = ofPrompt(target, 0)
  const cell: Cell = {
    hook: site.hook,
    ...(positions ? { positions: indicesWithin(positions, route.target.ids.length, 'Position') } : {}),
    ...(site.head === null ? {} : { head: site.head }),
  }
  const places = patchedPositions(cell, route)
  if (places.length === 0)
    throw new DiopterError(
      `No position that was asked for (${positions?.join(', ')}) corresponds to one of the other prompt, so nothing can be patched there.`,
    )
  const perPosition = into.data.length / into.shape[0]!
  const offsets = places.map((position) => position * perPosition + (site.head ?? 0) * site.size)
  return {
    target: into,
    offsets,
    differences: offsets.map((offset) =>
      Float64Array.from({ length: site.size }, (_, i) => Number(from.data[offset + i]) - Number(into.data[offset + i])),
    ),
    edit: (changes) => patchEdit(cell, { shape: into.shape, data: changed(into, offsets, changes) }, route)!,
  }
}

/** The target's values with changes [d] from each offset on. */
export function changed(
  { data }: ArrayValue,
  offsets: readonly number[],
  changes: readonly Float64Array[],
): Float32Array {
  const values = Float32Array.from(data as Float32Array)
  offsets.forEach((offset, p) => {
    changes[p]!.forEach((change, i) => {
      values[offset + i] = values[offset + i]! + change
    })
  })
  return values
}
