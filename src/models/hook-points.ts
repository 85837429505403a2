import { input } from '../tensor/index.ts'
import type { ModelConfig } from './config.ts'
import { weightShape } from './layout.ts'
import { traceModel } from './parts/model.ts'
import { weightNames } from './public-parameters.ts'
import { rectangularForward } from './rectangular.ts'

/** A place in the forward pass that can be read and edited. */
export interface HookPoint {
  readonly name: string
  /** What each axis is: `batch`, `pos`, `query_pos`, `key_pos`, the config field that gives its size, or `1`. */
  readonly axes: readonly string[]
  /** The axes' sizes; null for those that the prompts give. */
  readonly sizes: readonly (number | null)[]
}

const AXES: readonly (readonly [pattern: RegExp, features: readonly string[]])[] = [
  [/hook_(q|rot_q|z)$/, ['n_heads', 'd_head']],
  [/hook_(k|v|rot_k)$/, ['n_key_value_heads', 'd_head']],
  [/hook_result$/, ['n_heads', 'd_model']],
  [/hook_scale$/, ['1']],
  [/mlp\.hook_(pre|pre_linear|post)$/, ['d_mlp']],
  [/unembed\.hook_out$/, ['d_vocab_out']],
  [/./, ['d_model']],
]

/** Every hook point of a model with its shape, in the order in which the forward pass meets them. */
export function hookPoints(config: ModelConfig): HookPoint[] {
  const names: string[] = []
  const weights = new Set(weightNames(config).map(({ name }) => name))
  // The names come from the trace itself, so that none can be listed that does not fire.
  traceModel(
    rectangularForward({
      config,
      tokens: input('tokens', [1, 1], 'int64'),
      weight: (name) => input(name, weightShape(config, name)),
      hasWeight: (name) => weights.has(name),
      hook(name, x) {
        names.push(name)
        return x
      },
      wants: () => true,
    }),
  )
  return names.map((name) => {
    const axes = axesOf(name)
    return { name, axes, sizes: axes.map((axis) => sizeOf(config, axis)) }
  })
}

function axesOf(name: string): string[] {
  if (/hook_(attn_scores|pattern)$/.test(name)) return ['batch', 'n_heads', 'query_pos', 'key_pos']
  const [, features] = AXES.find(([pattern]) => pattern.test(name))!
  return ['batch', 'pos', ...features]
}

function sizeOf(config: ModelConfig, axis: string): number | null {
  if (axis === '1') return 1
  const size = config[axis as keyof ModelConfig]
  return typeof size === 'number' ? size : null
}
