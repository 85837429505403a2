import { DiopterError } from '../../errors/index.ts'
import type { Prompt } from '../../lab/index.ts'
import type { ModelConfig } from '../../models/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { MetricName } from '../shared/question.ts'
import { indicesWithin } from '../shared/selection.ts'

/** What can be ablated: a head, an attention or MLP layer, a neuron. */
export const ABLATABLE = ['head', 'attn', 'mlp', 'neuron'] as const
/** One of `ABLATABLE`. */
export type AblateWhat = (typeof ABLATABLE)[number]
/** What can stand in the place of a part: `mean` is over all positions of the reference, `position_mean` position by position. */
export const ABLATION_KINDS = ['zero', 'mean', 'position_mean', 'resample'] as const
/** One of `ABLATION_KINDS`. */
export type AblationKind = (typeof ABLATION_KINDS)[number]

/** What stands in the place of parts. */
export interface ReplacementOptions extends MethodOptions {
  /** `mean` unless said. */
  readonly kind?: AblationKind | undefined
  /**
   * Prompts that give means, or activations to resample; the prompt itself unless said, whose tokens are then shuffled for
   * resampling.
   */
  readonly reference?: readonly Prompt[] | undefined
  /** From how many other prompts activations are resampled, one after the other; 3 unless said. */
  readonly draws?: number | undefined
  /** Where parts are ablated; everywhere unless said. */
  readonly positions?: readonly number[] | undefined
}

/** Which parts are ablated. */
export interface PartOptions {
  /** `head` unless said. */
  readonly what?: AblateWhat | undefined
  readonly layers?: readonly number[] | undefined
  readonly heads?: readonly number[] | undefined
  readonly neurons?: readonly number[] | undefined
}

/** Which parts are ablated, how, and what is measured. */
export interface AblationOptions extends ReplacementOptions, PartOptions {
  /** What the questions' tokens allow unless said: logit difference, logit, or loss. */
  readonly metric?: MetricName | undefined
}

/** Something that can be ablated by itself. */
export interface Part {
  readonly label: string
  readonly layer: number
  readonly hook: string
  readonly head?: number
  readonly neuron?: number
}

/** All parts of a sweep, in row-major order of `sizes`. */
export interface Parts {
  readonly what: AblateWhat
  readonly list: readonly Part[]
  readonly hooks: readonly string[]
  readonly sizes: readonly number[]
  readonly axes: Readonly<Record<string, readonly number[]>>
}

/** The hook of each kind of part, within its block. */
export const ABLATED_HOOKS: Readonly<Record<AblateWhat, string>> = {
  head: 'attn.hook_z',
  attn: 'hook_attn_out',
  mlp: 'hook_mlp_out',
  neuron: 'mlp.hook_post',
}

/** The parts that the options choose. Throws for those that the model does not have. */
export function ablatedParts(config: ModelConfig, options: PartOptions): Parts {
  const { what = 'head' } = options
  if (config.attn_only && (what === 'mlp' || what === 'neuron'))
    throw new DiopterError(`This model has attention only, so there is no ${what} to ablate.`)
  const stray = options.heads && what !== 'head' ? 'head' : options.neurons && what !== 'neuron' ? 'neuron' : null
  if (stray)
    throw new DiopterError(
      `Some ${stray}s were named, but what is ablated is '${what}': leave them out, or ablate '${stray}'.`,
    )
  const layers = indicesWithin(options.layers, config.n_layers, 'Layer')
  const heads = indicesWithin(options.heads, config.n_heads, 'Head')
  const neurons = what === 'neuron' ? indicesWithin(options.neurons, config.d_mlp, 'Neuron') : []
  const within: Record<AblateWhat, (layer: number) => { label: string; head?: number; neuron?: number }[]> = {
    head: (layer) => heads.map((head) => ({ label: `L${layer}H${head}`, head })),
    attn: (layer) => [{ label: `attn ${layer}` }],
    mlp: (layer) => [{ label: `mlp ${layer}` }],
    neuron: (layer) => neurons.map((neuron) => ({ label: `L${layer}N${neuron}`, neuron })),
  }
  const inner: Record<string, number[]> =
    what === 'head' ? { head: heads } : what === 'neuron' ? { neuron: neurons } : {}
  const hookOf = (layer: number) => `blocks.${layer}.${ABLATED_HOOKS[what]}`
  return {
    what,
    list: layers.flatMap((layer) => within[what](layer).map((part) => ({ ...part, layer, hook: hookOf(layer) }))),
    hooks: layers.map(hookOf),
    sizes: [layers.length, ...Object.values(inner).map((list) => list.length)],
    axes: { layer: layers, ...inner },
  }
}
