import type { ModelConfig } from '../models/config.ts'
import type { Forward } from '../models/forward.ts'
import type { Tensor } from '../tensor/index.ts'
import type { Layout } from './layouts/layout.ts'
import type { Weights } from './weights.ts'

/** What looks at activations while a model is traced. */
export interface Taps {
  hook(name: string, x: Tensor): Tensor
  wants(name: string): boolean
}

/** A forward pass over a layout of tokens, seen and edited through taps. */
export function tappedForward(config: ModelConfig, weights: Weights, layout: Layout, taps: Taps): Forward {
  return {
    ...layout,
    config,
    get tokens() {
      return layout.tokens
    },
    weight: (name) => weights.tensor(name),
    hasWeight: (name) => weights.has(name),
    hook: (name, x) => taps.hook(name, x),
    wants: (name) => taps.wants(name),
  }
}
