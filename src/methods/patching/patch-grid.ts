import { DiopterError } from '../../errors/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import { indicesWithin } from '../shared/selection.ts'

/** The activation that is patched. `z` is what a head mixed; `neurons` are the MLP's activations (`mlp.hook_post`). */
export const PATCHABLE = {
  resid_pre: 'hook_resid_pre',
  resid_mid: 'hook_resid_mid',
  resid_post: 'hook_resid_post',
  attn_out: 'hook_attn_out',
  mlp_out: 'hook_mlp_out',
  z: 'attn.hook_z',
  q: 'attn.hook_q',
  k: 'attn.hook_k',
  v: 'attn.hook_v',
  pattern: 'attn.hook_pattern',
  neurons: 'mlp.hook_post',
} as const
/** One of `PATCH_WHATS`. */
export type PatchWhat = keyof typeof PATCHABLE
/** The activations that can be patched. */
export const PATCH_WHATS = Object.keys(PATCHABLE) as PatchWhat[]

/**
 * How finely: one cell per layer and position (all heads), per layer (all positions), per head (all positions), per head and
 * position, or per neuron (all positions). For patterns, positions are those of the queries.
 */
export const PATCH_BY = ['position', 'layer', 'head', 'head_position', 'neuron'] as const
/** One of `PATCH_BY`. */
export type PatchBy = (typeof PATCH_BY)[number]

/** Which cells; all unless said. Positions count from 0, negative ones from the end. */
export interface CellOptions {
  readonly what: PatchWhat
  /** `position` for the residual stream and layers, `head` for heads, `neuron` for neurons, unless said. */
  readonly by?: PatchBy | undefined
  readonly layers?: readonly number[] | undefined
  /** The positions that cells stand for, or (by layer, head or neuron) the positions that each cell patches together. */
  readonly positions?: readonly number[] | undefined
  readonly heads?: readonly number[] | undefined
  readonly neurons?: readonly number[] | undefined
}

/** One thing to patch. */
export interface Cell {
  readonly hook: string
  readonly positions?: readonly number[]
  readonly head?: number
  readonly neuron?: number
}

/** All cells of a sweep, in row-major order of their axes. */
export interface CellGrid {
  readonly by: PatchBy
  readonly axes: readonly ('layer' | 'position' | 'head' | 'neuron')[]
  readonly sizes: readonly number[]
  readonly layers: readonly number[]
  /** Of the axis, or those that every cell patches. */
  readonly positions: readonly number[]
  readonly heads: readonly number[]
  /** Whether `heads` are those of keys and values, each of which several heads of the model share. */
  readonly sharedHeads: boolean
  readonly neurons: readonly number[]
  readonly hooks: readonly string[]
  readonly cells: readonly Cell[]
}

const HEAD_WHATS: readonly PatchWhat[] = ['z', 'q', 'k', 'v', 'pattern']

/** The cells for a prompt of `length` tokens. Throws where the model has no such activation, or it has no such axis. */
export function cellGrid(config: ModelConfig, length: number, options: CellOptions): CellGrid {
  const { what } = options
  const isHead = HEAD_WHATS.includes(what)
  const by = options.by ?? (isHead ? 'head' : what === 'neurons' ? 'neuron' : 'position')
  requireAxis(what, by, isHead)
  requireOwn(options, by)
  requireActivation(config, what)
  const headCount = what === 'k' || what === 'v' ? config.n_key_value_heads : config.n_heads
  const layers = indicesWithin(options.layers, config.n_layers, 'Layer')
  const positions = indicesWithin(options.positions, length, 'Position')
  const heads = isHead ? indicesWithin(options.heads, headCount, 'Head') : []
  const neurons = what === 'neurons' ? indicesWithin(options.neurons, config.d_mlp, 'Neuron') : []
  const hooks = layers.map((layer) => `blocks.${layer}.${PATCHABLE[what]}`)
  const allPositions = options.positions === undefined ? undefined : positions
  const within: Record<PatchBy, readonly Omit<Cell, 'hook'>[]> = {
    position: positions.map((position) => ({ positions: [position] })),
    layer: [{ positions: allPositions }],
    head: heads.map((head) => ({ head, positions: allPositions })),
    head_position: positions.flatMap((position) => heads.map((head) => ({ head, positions: [position] }))),
    neuron: neurons.map((neuron) => ({ neuron, positions: allPositions })),
  }
  const axes = {
    position: ['layer', 'position'],
    layer: ['layer'],
    head: ['layer', 'head'],
    head_position: ['layer', 'position', 'head'],
    neuron: ['layer', 'neuron'],
  } as const
  const count = { layer: layers, position: positions, head: heads, neuron: neurons }
  return {
    by,
    axes: axes[by],
    sizes: axes[by].map((axis) => count[axis].length),
    layers,
    positions,
    heads,
    sharedHeads: headCount !== config.n_heads,
    neurons,
    hooks,
    cells: hooks.flatMap((hook) => within[by].map((cell) => ({ hook, ...cell }))),
  }
}

function requireAxis(what: PatchWhat, by: PatchBy, isHead: boolean): void {
  const allowed: readonly PatchBy[] = isHead
    ? ['head', 'head_position', 'position', 'layer']
    : what === 'neurons'
      ? ['neuron', 'position', 'layer']
      : ['position', 'layer']
  if (!allowed.includes(by))
    throw new DiopterError(`'${what}' cannot be patched by ${by}; it can by ${allowed.join(', ')}.`)
}

/** Throws for heads or neurons that no cell would stand for. */
function requireOwn({ what, heads, neurons }: CellOptions, by: PatchBy): void {
  const stray =
    heads && by !== 'head' && by !== 'head_position' ? 'heads' : neurons && by !== 'neuron' ? 'neurons' : null
  if (stray)
    throw new DiopterError(
      `Some ${stray} were named, but '${what}' is patched by ${by.replace('_', ' and ')}, whole; leave the ${stray} out, or patch by ${stray === 'heads' ? 'head' : 'neuron'} where '${what}' allows it.`,
    )
}

function requireActivation(config: ModelConfig, what: PatchWhat): void {
  if (config.attn_only && (what === 'resid_mid' || what === 'mlp_out' || what === 'neurons'))
    throw new DiopterError(`This model has attention only, so there is no '${what}' to patch.`)
  if (config.parallel_attn_mlp && what === 'resid_mid')
    throw new DiopterError(
      "Attention and MLP of this model run in parallel, so there is no 'resid_mid' between them; use resid_pre or resid_post.",
    )
}

/** Nested lists of numbers, null where there is none. */
export type Nested = readonly (number | null | Nested)[]

/** Values in row-major order as nested lists of the given sizes; numbers that are not finite become null. */
export function nest(values: readonly (number | null)[], sizes: readonly number[]): Nested {
  const [, ...rest] = sizes
  if (rest.length === 0) return values.map((x) => (x !== null && Number.isFinite(x) ? x : null))
  const size = rest.reduce((product, n) => product * n, 1)
  return Array.from({ length: sizes[0]! }, (_, i) => nest(values.slice(i * size, (i + 1) * size), rest))
}
