import { DiopterError } from '../../errors/index.ts'
import {
  type Activation,
  type ArrayValue,
  type Edit,
  type Model,
  ofPrompt,
  type Prompt,
  type TokenizedPrompt,
} from '../../lab/index.ts'
import { meanActivation } from '../../lab/resolve-edits.ts'
import type { ModelConfig } from '../../models/index.ts'
import type { MethodOptions } from '../shared/options.ts'
import type { MetricName } from '../shared/question.ts'
import type { Meter } from '../shared/result.ts'
import { indicesWithin } from '../shared/selection.ts'
import { shuffledIndices } from '../shared/statistics.ts'

/** What can be ablated: a head, an attention or MLP layer, a neuron. */
export const ABLATABLE = ['head', 'attn', 'mlp', 'neuron'] as const
/** One of `ABLATABLE`. */
export type AblateWhat = (typeof ABLATABLE)[number]
/** What can stand in the place of a part. */
export const ABLATION_KINDS = ['zero', 'mean', 'resample'] as const
/** One of `ABLATION_KINDS`. */
export type AblationKind = (typeof ABLATION_KINDS)[number]

/** Which parts are ablated, how, and what is measured. */
export interface AblationOptions extends MethodOptions {
  /** `head` unless said. */
  readonly what?: AblateWhat
  /** `mean` unless said. */
  readonly kind?: AblationKind
  /** Prompts that give means, or activations to resample; the prompt itself unless said. */
  readonly reference?: readonly Prompt[]
  readonly layers?: readonly number[]
  readonly heads?: readonly number[]
  readonly neurons?: readonly number[]
  /** Where the part is ablated; everywhere unless said. */
  readonly positions?: readonly number[]
  /** What the questions' tokens allow unless said: logit difference, logit, or loss. */
  readonly metric?: MetricName
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
export function ablatedParts(config: ModelConfig, options: AblationOptions): Parts {
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

/** Where replacements come from: reference activations per hook. */
export interface AblationSource {
  readonly edits: (part: Part, kind: AblationKind) => Edit[]
  /** The prompt that resampled activations come from, cut to the length of the question's. */
  readonly resampled: readonly number[]
  /** Activations of the references by hook. */
  readonly reference: Readonly<Record<string, Activation>>
}

/** Runs what replacements for one prompt come from. Throws when resampling needs a longer reference prompt. */
export async function ablationSource(
  model: Model,
  parts: Parts,
  prompt: TokenizedPrompt,
  { kind, reference, seed = 0, edits, prependBos, signal, positions }: AblationOptions,
  meter: Meter,
): Promise<AblationSource> {
  const { ids } = prompt
  const order = shuffledIndices(ids.length - 1, seed)
  // The first token stays in its place: it is the start token where there is one.
  const shuffled = [ids[0]!, ...order.map((i) => ids[i + 1]!)]
  const long = reference?.filter((other) => model.tokenize(other, prependBos).ids.length >= ids.length) ?? []
  if (kind === 'resample' && reference && long.length === 0)
    throw new DiopterError(
      `Resampling takes activations from the same positions of another prompt, but no reference prompt has the ${ids.length} tokens of this one. Give a longer one.`,
    )
  const drawn = long.length > 0 ? long[shuffledIndices(long.length, seed)[0]!]! : shuffled
  const run = (prompts: readonly Prompt[]) => meter.run(prompts, { capture: parts.hooks, edits, prependBos, signal })
  const captures = (await run(reference ?? [ids])).captures
  const other = (await run([drawn])).captures
  const means = new Map(parts.hooks.map((hook) => [hook, meanActivation(captures[hook]!, 'all')]))
  const others = new Map(parts.hooks.map((hook) => [hook, leading(ofPrompt(other[hook]!, 0), ids.length)]))
  const region = ({ hook, head, neuron }: Part) => ({
    hook,
    ...(positions ? { positions } : {}),
    ...(head === undefined ? {} : { heads: [head] }),
    ...(neuron === undefined ? {} : { neurons: [neuron] }),
  })
  return {
    reference: captures,
    resampled: model.tokenize(drawn, prependBos).ids.slice(0, ids.length),
    edits: (part, kind) => {
      const value = kind === 'mean' ? means.get(part.hook)! : others.get(part.hook)!
      return [kind === 'zero' ? { ...region(part), kind: 'zero' } : { ...region(part), kind: 'replace', value }]
    },
  }
}

/** The first `length` positions of [P, ...]. */
function leading({ shape, data }: ArrayValue, length: number): ArrayValue {
  const size = data.length / shape[0]!
  return { shape: [length, ...shape.slice(1)], data: data.subarray(0, length * size) as Float32Array }
}
